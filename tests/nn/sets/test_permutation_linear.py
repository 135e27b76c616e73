import itertools

import pytest
import torch

from equishare import groups, nn, sharing

ORDERS = list(itertools.product(range(3), range(3)))
COUNTS = {(0, 0): 1, (0, 1): 1, (0, 2): 2, (1, 0): 1, (1, 1): 2, (1, 2): 5, (2, 0): 2, (2, 1): 5, (2, 2): 15}
COUNTS_UNDIRECTED = {**COUNTS, (1, 2): 4, (2, 1): 4, (2, 2): 9}


def tensors(n, order, undirected=False):
    """S_n on features of an order; on unordered pairs, the diagonal among them, for undirected ones."""
    group = groups.symmetric(n)
    if order == 0:
        return group.trivial()
    if order == 1:
        return group.permutation()
    if not undirected:
        return group.permutation() * group.permutation()
    pairs = list(itertools.combinations_with_replacement(range(n), 2))
    number = {pair: k for k, pair in enumerate(pairs)}
    return group.action([[number[tuple(sorted((g[i], g[j])))] for i, j in pairs] for g in group.generators])


def column_space(matrix):
    """An orthonormal basis of the span of columns that may depend on each other."""
    left, values, _ = torch.linalg.svd(matrix, full_matrices=False)
    return left[:, values > 1e-9 * values[0]]


@pytest.mark.parametrize(("order_in", "order_out"), ORDERS)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_span_is_the_sharing_pattern(order_in, order_out, n):
    """For every n, those too where there are fewer maps than weights."""
    layer = nn.PermutationLinear(order_in, order_out, 1, 1)
    found = column_space(layer.pattern(n).as_matrix())
    pattern = sharing.permutation_maps(n, order_in, order_out)
    assert sharing.subspace_distance(found, pattern.as_matrix()) < 1e-9
    assert len(layer.weight) == COUNTS[order_in, order_out]
    if n >= order_in + order_out:
        assert pattern.n_free == len(layer.weight)


@pytest.mark.parametrize(("order_in", "order_out"), ORDERS)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_span_is_the_solved_null_space(order_in, order_out, n):
    rep_in, rep_out = tensors(n, order_in), tensors(n, order_out)
    found = column_space(nn.PermutationLinear(order_in, order_out, 1, 1).pattern(n).as_matrix())
    assert sharing.subspace_distance(found, sharing.null_space(rep_in, rep_out)) < 1e-9
    assert sharing.subspace_distance(found, sharing.solve(rep_in, rep_out).as_matrix()) < 1e-9


@pytest.mark.parametrize(("order_in", "order_out"), ORDERS)
@pytest.mark.parametrize("n", [2, 4, 5])
def test_undirected_span_is_the_solved_one_on_unordered_pairs(order_in, order_out, n):
    layer = nn.PermutationLinear(order_in, order_out, 1, 1, undirected=True)
    solved = sharing.solve(tensors(n, order_in, True), tensors(n, order_out, True))
    maps = layer.pattern(n).expand(torch.eye(len(layer.weight), dtype=torch.float64))
    if order_out == 2:
        maps = maps.unflatten(1, (n, n))
    if order_in == 2:  # the x_ij and x_ji of an unordered pair move together
        maps = maps.unflatten(-1, (n, n))
        maps = (maps + maps.mT * (1 - torch.eye(n)))[..., *torch.triu_indices(n, n)]
    if order_out == 2:
        assert torch.allclose(maps, maps.transpose(1, 2))
        maps = maps[:, *torch.triu_indices(n, n)]
    found = column_space(maps.reshape(len(maps), -1).mT)
    assert sharing.subspace_distance(found, solved.as_matrix()) < 1e-9
    assert len(layer.weight) == COUNTS_UNDIRECTED[order_in, order_out]
    if n >= order_in + order_out:
        assert solved.n_free == len(layer.weight)
        assert groups.intertwiner_count(tensors(n, order_in, True), tensors(n, order_out, True)) == solved.n_free


@pytest.mark.parametrize(("order_in", "order_out"), ORDERS)
@pytest.mark.parametrize("undirected", [False, True])
def test_is_the_dense_layer_with_the_expanded_weight(order_in, order_out, undirected):
    n = 5
    layer = nn.PermutationLinear(order_in, order_out, 3, 2, undirected=undirected, dtype=torch.float64)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(4, *[n] * order_in, 3, dtype=torch.float64)
    if undirected and order_in == 2:
        x = x + x.transpose(1, 2)
    y = layer(x, size=n)
    expected = (x.flatten(1) @ layer.full_weight(n).mT).reshape(4, -1, 2)
    constants = layer.bias[:1]
    if order_out == 2:
        constants = torch.where(torch.eye(n, dtype=torch.bool).flatten()[:, None], *layer.bias)
    assert torch.allclose(y, (expected + constants).reshape(y.shape))


def test_weights_of_the_solved_layer_give_the_same_numbers():
    """From this layer to the one that expands orbits, pair of channels by pair of channels, and back."""
    n = 4
    points = groups.symmetric(n).permutation()
    layer = nn.PermutationLinear(2, 2, 1, 1, bias=False, dtype=torch.float64)
    solved = nn.SharedLinear(points * points, points * points, bias=False, dtype=torch.float64)
    with torch.no_grad():
        solved.weight.copy_(solved.pattern.project(layer.full_weight(n)))
    x = torch.randn(3, n, n, 1, dtype=torch.float64)
    assert torch.allclose(solved(x.flatten(1)), layer(x).flatten(1))
    back = layer.pattern(n).project(solved.full_weight())
    assert torch.allclose(back, layer.weight.flatten())


@pytest.mark.parametrize("undirected", [False, True])
@pytest.mark.parametrize(("order_in", "order_out"), [(1, 2), (2, 0), (2, 1), (2, 2)])
def test_gradients(order_in, order_out, undirected):
    layer = nn.PermutationLinear(order_in, order_out, 2, 2, undirected=undirected, dtype=torch.float64)
    mask = torch.tensor([True, True, False, True])
    x = torch.randn(*[4] * order_in, 2, dtype=torch.float64, requires_grad=True)
    values = tuple(p.detach().requires_grad_() for p in layer.parameters())
    names = [name for name, _ in layer.named_parameters()]

    def run(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x, mask))

    assert torch.autograd.gradcheck(run, (x, *values))
    assert torch.autograd.gradgradcheck(run, (x, *values))


@pytest.mark.parametrize("n", [3, 30])
@pytest.mark.parametrize(("order", "undirected"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("kind", ["white", "constant", "rows"])
def test_second_moment_is_kept_through_relu(n, order, undirected, kind):
    """Over ten layers, for features that vary and for those that do not, whatever n."""
    x = torch.randn(2, *[n] * order, 64)
    if kind == "constant":
        x = torch.randn(2, *[1] * order, 64).expand_as(x)
    elif kind == "rows" and order == 2:
        x = torch.randn(2, n, 1, 64).expand_as(x)
    if undirected:
        x = x + x.transpose(1, 2)
    growth = []
    for _ in range(4):
        y = x
        for _ in range(10):
            y = torch.relu(nn.PermutationLinear(order, order, 64, 64, undirected=undirected)(y))
        growth.append(float(y.detach().square().mean() / x.square().mean()))
    mean = torch.tensor(growth).log().mean().exp()
    assert 1 / 4 < mean < 4, growth


@pytest.mark.parametrize(("order_in", "order_out"), [(1, 1), (1, 2), (2, 0), (2, 1), (2, 2)])
def test_one_set_of_weights_serves_all_sizes(order_in, order_out):
    """Samples of one underlying function at more and more points give one output in the limit."""
    layer = nn.PermutationLinear(order_in, order_out, 2, 2, dtype=torch.float64)

    def sampled(n):
        t = (torch.arange(n, dtype=torch.float64) + 0.5) / n
        x = torch.stack([t.sin(), t**2], -1)
        return x if order_in == 1 else torch.stack([(t[:, None] - 2 * t).cos(), t[:, None] * t**2], -1)

    means = [layer(sampled(n)).detach().reshape(-1, 2).mean(0) for n in (50, 100, 200, 400)]
    steps = [float((b - a).norm()) for a, b in itertools.pairwise(means)]
    scale = float(means[-1].norm())
    assert steps[0] < 0.1 * scale
    assert steps[2] < 0.3 * steps[0] or steps[2] < 1e-12


def test_nothing_of_the_size_of_the_expanded_matrix_is_made():
    layer = nn.PermutationLinear(2, 2, 4, 4)
    with torch.profiler.profile(profile_memory=True) as profile, torch.no_grad():
        layer(torch.randn(300, 300, 4))
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert 0 < largest < 10 * 300**2 * 4 * 4  # the expanded matrix has 300^4 * 16 entries


def test_can_be_exported_and_vmapped():
    layer = nn.PermutationLinear(2, 2, 3, 4)
    x, mask = torch.randn(2, 5, 5, 3), torch.rand(2, 5) < 0.7
    exported = torch.export.export(layer, (x, mask)).module()
    assert torch.allclose(exported(x, mask), layer(x, mask), atol=1e-6)
    assert torch.allclose(torch.func.vmap(layer)(x, mask), layer(x, mask), atol=1e-6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.PermutationLinear(3, 1, 2, 2), "orders 0, 1 or 2"),
        (lambda: nn.PermutationLinear(2, 1, 2, 2)(torch.zeros(3, 4, 5, 2)), r"n, n, 2\] expected"),
        (lambda: nn.PermutationLinear(1, 1, 2, 2)(torch.zeros(3, 4, 5)), r"n, 2\] expected, got \[3, 4, 5\]"),
        (lambda: nn.PermutationLinear(0, 2, 2, 2)(torch.zeros(3, 2)), "give a mask or a size"),
        (
            lambda: nn.PermutationLinear(1, 1, 2, 2)(torch.zeros(3, 4, 2), torch.ones(3, 5, dtype=torch.bool)),
            r"\[3, 4\] expected",
        ),
    ],
)
def test_errors(build, message, unchecked):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_mask_of_numbers_is_refused(unchecked):
    with pytest.raises(nn.LayerError, match="boolean"):
        nn.PermutationLinear(1, 1, 2, 2)(torch.zeros(3, 4, 2), torch.ones(3, 4))
