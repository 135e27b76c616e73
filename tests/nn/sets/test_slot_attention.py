"""SlotAttention commutes with permutations of slots and inputs, to rounding; its gradients at the fixed point are the implicit ones."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare import nn

CASES = {
    "paper": {},
    "narrow inputs": {"in_channels": 3},
    "heads": {"heads": 4, "bias": True},
    "wide heads": {"heads": 2, "head_channels": 12, "hidden": 5},
    "wide head": {"head_channels": 12},
    "one iteration": {"iterations": 1, "epsilon": 1e-2},
    "implicit": {"neumann_terms": 1, "iterations": 5},
    "learned": {"initial": "learned"},
    "two wide heads with bias": {"heads": 2, "head_channels": 12, "bias": True, "epsilon": 1e-3},
    "learned and implicit": {"initial": "learned", "neumann_terms": 2, "heads": 2},
}

LAYERS = {"SlotAttention"}


def build(case, dtype=torch.float64, slots=4):
    """A layer whose every weight is drawn, so that no term of it vanishes."""
    layer = nn.SlotAttention(**{"in_channels": 8, "channels": 8, "slots": slots, "dtype": dtype, **CASES[case]})
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return layer


def draw(layer, batch=3, inputs=11):
    """Inputs, initial slots and a mask with at least one input in each set."""
    dtype = layer.initial_mean.dtype
    x = torch.randn(batch, inputs, layer.in_channels, dtype=dtype)
    slots = torch.randn(batch, layer.slots, layer.channels, dtype=dtype)
    mask = torch.rand(batch, inputs) < 0.6
    mask[:, 0] = True
    return x, slots, mask


def permuted(layer, x, slots, mask):
    """Both sides of the law: f(Q x, P s) and P f(x, s), A -> P A Q^T; each set has permutations of its own."""
    p = torch.stack([torch.randperm(slots.shape[1]) for _ in slots])
    q = torch.stack([torch.randperm(x.shape[1]) for _ in x])
    rows = torch.arange(len(x))[:, None]
    got = layer(x[rows, q], None if mask is None else mask[rows, q], slots=slots[rows, p])
    out, attention = layer(x, mask, slots=slots)
    return got, (out[rows, p], attention[rows[..., None], p[:, :, None], q[:, None]])


@pytest.mark.parametrize("masked", [False, True], ids=["full", "masked"])
@pytest.mark.parametrize("case", CASES)
def test_the_law_in_double_precision(case, masked):
    layer = build(case)
    x, slots, mask = draw(layer)
    for got, expected in zip(*permuted(layer, x, slots, mask if masked else None), strict=True):
        assert torch.allclose(got, expected, rtol=0, atol=1e-13 * max(1.0, float(expected.detach().abs().max())))


@pytest.mark.parametrize("case", CASES)
def test_the_law_in_single_precision_holds_to_the_rounding_floor(case):
    """The floor is the distance between the layer in float32 and in float64."""
    layer = build(case, torch.float32)
    x, slots, mask = draw(layer)
    exact = copy.deepcopy(layer).double()(x.double(), mask, slots=slots.double())
    floor = [float((a - b).abs().max()) for a, b in zip(layer(x, mask, slots=slots), exact, strict=True)]
    for (got, expected), noise in zip(zip(*permuted(layer, x, slots, mask), strict=True), floor, strict=True):
        assert float((got - expected).abs().max()) <= 4 * noise + 1e-7


@settings(max_examples=25)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.integers(0, 10_000))
def test_the_law_for_any_sizes(batch, inputs, slots, heads, seed):
    torch.manual_seed(seed)
    layer = nn.SlotAttention(3, 6, slots, heads=heads, dtype=torch.float64)
    for got, expected in zip(*permuted(layer, *draw(layer, batch, inputs)), strict=True):
        assert torch.allclose(got, expected, rtol=0, atol=1e-12)


def test_the_law_can_fail():
    """A position added to the slots breaks it: the test would see it."""
    layer = build("paper")
    x, slots, mask = draw(layer)
    place = torch.linspace(0, 1, layer.slots, dtype=torch.float64)[:, None]
    (got, _), (expected, _) = permuted(lambda x, m, slots: layer(x, m, slots=slots + place), x, slots, mask)
    assert float((got - expected).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("case", ["paper", "heads", "learned and implicit"])
def test_gradients_obey_the_law_too(case):
    layer = build(case)
    x, slots, _ = draw(layer)
    order, turn = torch.randperm(layer.slots), torch.randperm(x.shape[1])

    def gradients(x, slots):
        x, slots = x.clone().requires_grad_(), slots.clone().requires_grad_()
        return torch.autograd.grad(
            layer(x, slots=slots)[0].square().sum(), [x, slots, layer.query.weight, layer.gru.weight_ih]
        )

    moved, plain = gradients(x[:, turn], slots[:, order]), gradients(x, slots)
    expected = [plain[0][:, turn], plain[1][:, order], *plain[2:]]
    for got, wanted in zip(moved, expected, strict=True):
        assert torch.allclose(got, wanted, rtol=1e-10, atol=1e-12)


def test_the_trained_layer_still_obeys():
    """After 60 steps of sorting two blobs into two slots, where the attention is far from uniform."""
    layer = nn.SlotAttention(4, 8, 2, dtype=torch.float64)
    optimizer = torch.optim.Adam([*layer.parameters()], lr=1e-2)
    side = torch.arange(20) % 2
    for _ in range(60):
        x = torch.randn(16, 20, 4, dtype=torch.float64) / 4
        x[..., 0] += 2.0 * side - 1
        attention = layer(x)[1]
        together = torch.einsum("bsn,bsm->bnm", attention, attention)
        loss = (together - (side[:, None] == side).double()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss) < 0.05
    for got, expected in zip(*permuted(layer, x, torch.randn(16, 2, 8, dtype=torch.float64), None), strict=True):
        assert torch.allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_padding_is_the_same_as_absence_whatever_it_holds(case):
    layer = build(case)
    x, slots, mask = draw(layer)
    x[~mask] = torch.nan
    out, attention = layer(x, mask, slots=slots)
    assert (attention.masked_select(~mask[:, None]) == 0).all()
    for i, present in enumerate(mask):
        alone, alone_attention = layer(x[i : i + 1, present], slots=slots[i : i + 1])
        assert torch.allclose(out[i], alone[0], rtol=0, atol=1e-12)
        assert torch.allclose(attention[i][:, present], alone_attention[0], rtol=0, atol=1e-12)
    layer.zero_grad()
    out.sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in layer.parameters())


def test_an_empty_set_gives_finite_slots_and_gradients():
    layer = build("heads")
    x, slots, mask = draw(layer)
    mask[1] = False
    out, attention = layer(x, mask, slots=slots)
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert (attention[1] == 0).all()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters() if p.grad is not None)


@pytest.mark.parametrize("inputs", [2, 11])
@pytest.mark.parametrize("case", CASES)
def test_it_is_the_papers_algorithm(case, inputs):
    """Against a transcription of its equations, keys and values formed, head by head."""
    layer = build(case)
    x, s, _ = draw(layer, inputs=inputs)
    out, attention = layer(x, slots=s)
    bar = layer.norm_inputs(x)
    k, v = layer.key(bar).chunk(layer.heads, 2), layer.value(bar).chunk(layer.heads, 2)
    for _ in range(layer.iterations):
        q = layer.query(layer.norm_slots(s)).chunk(layer.heads, 2)
        shares = [torch.softmax(q[h] @ k[h].mT / q[h].shape[2] ** 0.5, dim=1) for h in range(layer.heads)]
        weights = [(a + layer.epsilon) / (a + layer.epsilon).sum(2, keepdim=True) for a in shares]
        update = layer.join(torch.cat([w @ values for w, values in zip(weights, v, strict=True)], dim=2))
        g = layer.gru(update.flatten(0, 1), s.flatten(0, 1)).reshape(s.shape)
        s = g + layer.mlp(layer.norm_update(g))
    assert torch.allclose(out, s, atol=1e-12)
    assert torch.allclose(attention, torch.stack(shares).mean(0), atol=1e-12)
    assert torch.allclose(attention.sum(1), torch.ones_like(attention[:, 0]))


def test_gradcheck():
    layer = nn.SlotAttention(3, 4, 2, heads=2, bias=True, iterations=2, dtype=torch.float64)
    x, slots, mask = draw(layer, 2, 5)
    assert torch.autograd.gradcheck(
        lambda x, s: layer(x, mask, slots=s), (x.requires_grad_(), slots.requires_grad_()), atol=1e-6
    )


def contracting(terms, iterations=60):
    """A layer that comes to its fixed point: the GRU's update gate half open and little weight on the old slots."""
    torch.manual_seed(5)
    layer = nn.SlotAttention(4, 3, 2, iterations=iterations, neumann_terms=terms, dtype=torch.float64)
    with torch.no_grad():
        layer.mlp[2].weight.mul_(0.2)
        layer.gru.weight_hh.mul_(0.3)
    return layer


def test_neumann_series_sums_to_the_implicit_derivative():
    """dL/dtheta = dL/ds (1 - J)^-1 df/dtheta at the fixed point, J = df/ds solved densely."""
    one = contracting(None, iterations=1)
    x, start = torch.randn(1, 6, 4, dtype=torch.float64), torch.randn(1, 2, 3, dtype=torch.float64)
    fixed = contracting(None, 300)(x, slots=start)[0].detach()
    assert torch.allclose(one(x, slots=fixed)[0], fixed, atol=1e-12)
    J = torch.autograd.functional.jacobian(lambda s: one(x, slots=s)[0], fixed).reshape(6, 6)
    assert float(torch.linalg.eigvals(J).abs().max()) < 0.9
    weight = torch.randn(6, dtype=torch.float64)
    adjoint = torch.linalg.solve((torch.eye(6, dtype=torch.float64) - J).mT, weight)
    exact = torch.autograd.grad(one(x, slots=fixed)[0].flatten() @ adjoint, one.gru.weight_ih)[0]
    errors = []
    for terms in (1, 2, 4, 8, 16, 200):
        layer = contracting(terms, 300)
        got = torch.autograd.grad(layer(x, slots=start)[0].flatten() @ weight, layer.gru.weight_ih)[0]
        errors.append(float((got - exact).norm() / exact.norm()))
    assert errors[-1] < 1e-8
    assert errors[0] > errors[2] > errors[4] > errors[5]


@pytest.mark.parametrize("initial", ["sampled", "learned"])
def test_one_term_is_one_step_from_the_fixed_point_and_trains_the_initial_slots(initial):
    torch.manual_seed(3)
    layer = nn.SlotAttention(4, 6, 3, iterations=4, neumann_terms=1, initial=initial, dtype=torch.float64)
    unrolled = nn.SlotAttention(4, 6, 3, iterations=4, initial=initial, dtype=torch.float64)
    unrolled.load_state_dict(layer.state_dict())
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    given = {"noise": torch.randn(2, 3, 6, dtype=torch.float64)} if initial == "sampled" else {}
    out = layer(x, **given)[0]
    assert torch.equal(out, unrolled(x, **given)[0])
    out.sum().backward()
    assert float(layer.initial_mean.grad.abs().max()) > 0
    last = copy.deepcopy(layer)
    last.iterations = 1
    before = copy.deepcopy(layer)
    before.iterations = 3
    slots = before(x, **given)[0].detach()
    expected = torch.autograd.grad(last(x, slots=slots)[0].sum(), last.mlp[0].weight)[0]
    assert torch.allclose(layer.mlp[0].weight.grad, expected, rtol=1e-10)


def test_noise_makes_the_slots_reproducible_and_sets_their_number():
    layer = build("paper", torch.float32)
    x = torch.randn(2, 5, 8)
    noise = torch.randn(2, 7, 8)
    assert layer(x, noise=noise)[0].shape == (2, 7, 8)
    assert torch.equal(layer(x, noise=noise)[0], layer(x, noise=noise)[0])
    torch.manual_seed(1)
    first = layer(x)[0]
    torch.manual_seed(1)
    assert torch.equal(first, layer(x)[0])
    assert not torch.equal(first, layer(x)[0])


def test_to_dense_batch_makes_its_inputs():
    from torch_geometric.utils import to_dense_batch

    layer = build("paper")
    x, batch = torch.randn(9, 8, dtype=torch.float64), torch.tensor([0, 0, 1, 1, 1, 1, 1, 2, 2])
    slots = torch.randn(3, 4, 8, dtype=torch.float64)
    out, _ = layer(*to_dense_batch(x, batch), slots=slots)
    assert torch.allclose(out[1], layer(x[None, 2:7], slots=slots[1:2])[0][0], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"slots": 0}, "slots: a whole number"),
        ({"neumann_terms": 0}, "neumann_terms: a whole number"),
        ({"heads": 3}, "divide"),
        ({"initial": "drawn"}, "sampled or learned"),
    ],
)
def test_errors_of_construction(arguments, word, unchecked):
    with pytest.raises(ValueError, match=word):
        nn.SlotAttention(**{"in_channels": 8, "channels": 8, "slots": 4, **arguments})


def test_errors_of_use(unchecked):
    layer, learned = build("paper"), build("learned")
    x, slots, mask = draw(layer)
    for match, call in {
        "got both": lambda: layer(x, slots=slots, noise=slots),
        "take no noise": lambda: learned(x, noise=slots),
        r"inputs \[batch": lambda: layer(x[..., :5]),
        "initial slots or noise": lambda: layer(x, slots=slots[:1]),
        "boolean mask": lambda: layer(x, mask.double()),
    }.items():
        with pytest.raises(ValueError, match=match):
            call()
