import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare import sharing
from equishare.gallery import PairHMM
from equishare.gallery.pair_hmm import PairHMMError


def model(tied=True, symbols=3):
    dtype, rng = torch.float64, torch.Generator().manual_seed(0)
    match = torch.rand(symbols, symbols, generator=rng, dtype=dtype) + torch.eye(symbols, dtype=dtype)
    background = torch.rand(symbols, generator=rng, dtype=dtype) + 0.2
    match = match + match.mT
    gaps = {"gap_open": 0.12, "gap_extend": 0.35} if tied else {"gap_open": (0.2, 0.07), "gap_extend": (0.15, 0.5)}
    return PairHMM.from_probabilities(match / match.sum(), background / background.sum(), end=0.1, **gaps)


def alignments(n, m):
    """Every path of states that emits n and m symbols, X never next to Y."""
    if n == 0 and m == 0:
        yield ()
    for state, (a, b) in enumerate([(1, 1), (1, 0), (0, 1)]):
        if n >= a and m >= b:
            for path in alignments(n - a, m - b):
                if not path or {path[-1], state} != {1, 2}:
                    yield (*path, state)


def brute_force(hmm, x, y):
    """The sum over all alignments, in plain probabilities."""
    transitions = hmm.transitions().exp().tolist()
    match, background = (table.exp().tolist() for table in hmm.emissions())
    total = 0.0
    for path in alignments(len(x), len(y)):
        probability, state, i, j = 1.0, 0, 0, 0
        for following in path:
            probability *= transitions[state][following]
            if following == 0:
                probability *= match[x[i]][y[j]]
            else:
                probability *= background[x[i] if following == 1 else y[j]]
            i, j, state = i + (following != 2), j + (following != 1), following
        total += probability * transitions[state][3]
    return math.log(total)


@pytest.mark.parametrize("tied", [True, False])
def test_equals_the_sum_over_all_alignments(tied):
    hmm, rng = model(tied), torch.Generator().manual_seed(1)
    lengths = [(n, m) for n in range(5) for m in range(5) if n + m]
    x = torch.randint(3, (len(lengths), 4), generator=rng)
    y = torch.randint(3, (len(lengths), 4), generator=rng)
    n, m = torch.tensor(lengths).unbind(1)
    expected = [brute_force(hmm, a[:p].tolist(), b[:q].tolist()) for a, b, (p, q) in zip(x, y, lengths, strict=True)]
    torch.testing.assert_close(hmm(x, y, n, m), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)
    single = model(tied).float()(x, y, n, m)
    torch.testing.assert_close(single.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_probabilities_sum_to_one(tied):
    # over one letter, P(n, m) is the probability of the two lengths
    ones = torch.ones(1, 1, dtype=torch.float64)
    gaps = {"gap_open": 0.1, "gap_extend": 0.2} if tied else {"gap_open": (0.2, 0.05), "gap_extend": (0.1, 0.3)}
    hmm = PairHMM.from_probabilities(ones, ones[0], end=0.6, **gaps)
    size = 26
    n, m = (grid.reshape(-1) for grid in torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"))
    zeros = torch.zeros(len(n), size - 1, dtype=torch.long)
    with torch.no_grad():
        assert hmm(zeros, zeros, n, m).exp().sum().item() == pytest.approx(1.0, abs=1e-8)


def test_sum_over_sequences_is_the_probability_of_their_lengths():
    hmm = model(tied=False, symbols=2)
    letters = PairHMM(1, tied_gaps=False, dtype=torch.float64)
    with torch.no_grad():
        letters.gap_weight.copy_(hmm.gap_weight)
    for n, m in [(0, 2), (2, 1), (3, 2)]:
        pairs = list(itertools.product(itertools.product(range(2), repeat=n), itertools.product(range(2), repeat=m)))
        x = torch.tensor([p[0] for p in pairs]).reshape(len(pairs), n).long()
        y = torch.tensor([p[1] for p in pairs]).reshape(len(pairs), m).long()
        total = torch.logsumexp(hmm(x, y), dim=0)
        one = letters(torch.zeros(1, n, dtype=torch.long), torch.zeros(1, m, dtype=torch.long))[0]
        torch.testing.assert_close(total, one, rtol=1e-12, atol=0)


@given(st.integers(0, 7), st.integers(0, 7), st.integers(0, 2**31))
@settings(max_examples=15)
def test_exchange_of_the_sequences(n, m, seed):
    rng = torch.Generator().manual_seed(seed)
    x, y = torch.randint(3, (4, n), generator=rng), torch.randint(3, (4, m), generator=rng)
    tied, untied = model(True), model(False)
    torch.testing.assert_close(tied(x, y), tied(y, x), rtol=1e-12, atol=1e-12)
    if n != m:
        assert (untied(x, y) - untied(y, x)).abs().min() > 1e-3


def test_padding_changes_nothing():
    hmm, rng = model(False), torch.Generator().manual_seed(3)
    x, y = torch.randint(3, (1, 5), generator=rng), torch.randint(3, (1, 7), generator=rng)
    alone = hmm(x, y)
    padded_x = torch.cat([x, torch.tensor([[-1, 99, 2]])], dim=1)
    padded_y = torch.cat([y, torch.tensor([[0, -7]])], dim=1)
    both = hmm(padded_x.repeat(2, 1), padded_y.repeat(2, 1), torch.tensor([5, 5]), torch.tensor([7, 7]))
    torch.testing.assert_close(both, alone.expand(2), rtol=1e-13, atol=0)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients(tied):
    hmm = model(tied)
    pairs = hmm.sample(3, generator=torch.Generator().manual_seed(0))

    def log_probability(*weights):
        names = [name for name, _ in hmm.named_parameters()]
        return torch.func.functional_call(hmm, dict(zip(names, weights, strict=True)), tuple(pairs))

    weights = tuple(p.detach().clone().requires_grad_() for p in hmm.parameters())
    assert torch.autograd.gradcheck(log_probability, weights)


def test_gradients_of_long_and_unequal_pairs_are_finite():
    hmm = model().float()
    zeros = torch.zeros(2, 300, dtype=torch.long)
    out = hmm(zeros, zeros[:, :40], torch.tensor([300, 0]), torch.tensor([0, 40]))
    assert out.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(out.sum(), list(hmm.parameters())))


def test_posterior_sums_to_the_expected_number_of_matches():
    hmm = model(False)
    x, y = torch.tensor([[0, 1, 2, 0]]), torch.tensor([[0, 2, 0]])
    posterior = hmm.match_posterior(x, y)[0]
    assert (posterior >= 0).all()
    assert (posterior.sum(0) <= 1 + 1e-12).all()
    assert (posterior.sum(1) <= 1 + 1e-12).all()
    total = expected = 0.0
    for path in alignments(4, 3):
        weight = _path_probability(hmm, x[0].tolist(), y[0].tolist(), path)
        total, expected = total + weight, expected + weight * path.count(0)
    assert posterior.sum().item() == pytest.approx(expected / total, rel=1e-10)


def _path_probability(hmm, x, y, path):
    transitions, (match, background) = hmm.transitions().exp(), (table.exp() for table in hmm.emissions())
    probability, state, i, j = 1.0, 0, 0, 0
    for following in path:
        emitted = match[x[i], y[j]] if following == 0 else background[x[i] if following == 1 else y[j]]
        probability *= float((transitions[state, following] * emitted).detach())
        i, j, state = i + (following != 2), j + (following != 1), following
    return probability * float(transitions[state, 3].detach())


def test_samples_follow_the_model():
    hmm = model(False, symbols=2)
    count = 40_000
    pairs = hmm.sample(count, generator=torch.Generator().manual_seed(0))
    for x, y in [((), ()), ((0,), ()), ((), (1,)), ((0,), (0,)), ((0,), (1,)), ((1, 0), (1,))]:
        same = (pairs.x_lengths == len(x)) & (pairs.y_lengths == len(y))
        for sequence, symbols in ((pairs.x, x), (pairs.y, y)):
            for k, symbol in enumerate(symbols):
                same &= sequence[:, k] == symbol
        expected = hmm(torch.tensor(x).long()[None], torch.tensor(y).long()[None]).exp().item()
        error = math.sqrt(expected * (1 - expected) / count)
        assert abs(same.double().mean().item() - expected) < 4.5 * error


def test_parameters_of_probabilities_and_the_report():
    hmm = model(True)
    torch.testing.assert_close(hmm.transitions().exp().sum(1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(hmm.emissions()[0].exp().sum(), torch.tensor(1.0, dtype=torch.float64))
    assert [p.numel() for p in hmm.parameters()] == [3, 6, 3]
    assert [p.numel() for p in model(False).parameters()] == [5, 6, 3]
    assert "gap_weight" in str(sharing.report(hmm))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.tensor([[0, 3]])}, "symbols from 0 to 2"),
        ({"x_lengths": torch.tensor([3])}, "from 0 to 2 expected"),
        ({"y": torch.tensor([[0], [1]])}, "as many sequences"),
    ],
)
def test_errors_of_sequences(change, message, unchecked):
    arguments = {"x": torch.tensor([[0, 1]]), "y": torch.tensor([[2, 2, 1]])} | change
    with pytest.raises(PairHMMError, match=message):
        model()(**arguments)


def test_errors_of_probabilities(unchecked):
    half = torch.ones(2) / 2
    with pytest.raises(PairHMMError, match="leave some probability"):
        PairHMM.from_probabilities(torch.eye(2) / 2, half, gap_open=0.5, gap_extend=0.1, end=0.1)
    with pytest.raises(PairHMMError, match="at least one symbol"):
        PairHMM(0)


def test_no_pairs_have_no_probabilities():
    none = torch.zeros(0, 3, dtype=torch.long)
    assert model()(none, none[:, :2]).shape == (0,)
