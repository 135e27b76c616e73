import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare import groups, sharing


def patterns():
    D4 = groups.dihedral(4)
    signed = sharing.solve(D4.sign() * D4.regular(), D4.regular())
    basis = sharing.BasisPattern(torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), (3, 4))
    yield sharing.hashed((4, 6), 5)
    yield signed
    yield basis
    yield sharing.RepeatedPattern(basis, 2)
    yield sharing.toeplitz(3, 5, padding=1, padding_mode="reflect")
    yield sharing.solve(D4.regular() + 2 * D4.defining(), D4.regular() + D4.defining())
    yield sharing.compose(sharing.hashed((4, 6), 12), basis)
    yield sharing.compose(sharing.hashed((4, 6), 5), sharing.hashed((5,), 2))
    yield sharing.ReshapedPattern(basis, (2, 6))
    yield sharing.steerable_convolution(groups.cyclic(8), 3)
    yield sharing.IndexPattern(torch.tensor([[-1, 0], [-1, 1]]))
    yield sharing.BlockPattern([(2, 3), (1, 2)], [(3, 4)], [[basis], [sharing.hashed((2, 4), 3)]])


PATTERNS = list(patterns())


@pytest.mark.parametrize("pattern", PATTERNS, ids=repr)
def test_expand_is_the_matrix_and_project_its_least_squares_inverse(pattern):
    base = torch.randn(3, 2, pattern.n_free, dtype=torch.float64)
    matrix = pattern.as_matrix()
    assert matrix.shape == (pattern.numel, pattern.n_free)
    expected = (base @ matrix.mT).reshape(3, 2, *pattern.shape)
    assert torch.allclose(pattern.expand(base), expected, atol=1e-12)
    assert torch.equal(pattern(base), pattern.expand(base))
    weights = torch.randn(3, 2, *pattern.shape, dtype=torch.float64)
    solutions = torch.linalg.lstsq(matrix, weights.reshape(6, -1).mT).solution.mT.reshape(3, 2, -1)
    assert torch.allclose(pattern.project(weights), solutions, atol=1e-9)
    assert torch.allclose(pattern.project(weights[0, 0]), solutions[0, 0], atol=1e-9)


@pytest.mark.parametrize("pattern", PATTERNS, ids=repr)
def test_gradient_is_the_sum_over_all_uses(pattern):
    base = torch.randn(pattern.n_free, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pattern.expand, (base,))
    out = torch.randn(*pattern.shape, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(pattern.expand(base), base, out)
    assert torch.allclose(gradient, pattern.as_matrix().mT @ out.reshape(-1))


@pytest.mark.parametrize("pattern", PATTERNS, ids=repr)
def test_has_no_state_and_keeps_its_precision(pattern):
    before = pattern.as_matrix()
    cast = pattern.to(torch.float32).to(torch.float64)
    assert torch.equal(cast.as_matrix(), before)
    assert not pattern.state_dict()
    assert not list(pattern.parameters())
    assert pattern.expand(torch.randn(pattern.n_free)).dtype == torch.float32


@pytest.mark.parametrize("pattern", PATTERNS, ids=repr)
def test_wrong_shapes_are_refused(pattern):
    with pytest.raises(sharing.SharingError, match="expected"):
        pattern.expand(torch.zeros(pattern.n_free + 1))
    with pytest.raises(sharing.SharingError, match="expected"):
        pattern.project(torch.zeros(7, 9, 11))


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 5), st.data())
def test_hashing_uses_every_entry_once(rows, columns, seed, data):
    n_free = data.draw(st.integers(1, rows * columns))
    pattern = sharing.hashed((rows, columns), n_free, seed)
    again = sharing.hashed((rows, columns), n_free, seed)
    assert torch.equal(pattern.index, again.index)
    assert torch.equal(pattern.sign, again.sign)
    assert bool((pattern.sign.abs() == 1).all())


def test_hashes_are_even_and_signs_balanced():
    pattern = sharing.hashed((400, 500), 100)
    counts = torch.bincount(pattern.index.flatten(), minlength=100).double()
    chi_square = float(((counts - 2000) ** 2 / 2000).sum())
    assert chi_square < 149  # 99 degrees of freedom, p = 0.001
    assert abs(int(pattern.sign.long().sum())) < 4 * 200_000**0.5
    other = sharing.hashed((400, 500), 100, seed=1)
    assert float((other.index == pattern.index).double().mean()) < 0.02


def test_composition_of_index_forms_is_one_gather():
    outer, inner = sharing.hashed((4, 6), 5), sharing.hashed((5,), 2)
    composed = sharing.compose(outer, inner)
    assert isinstance(composed, sharing.IndexPattern)
    base = torch.randn(2)
    assert torch.allclose(composed.expand(base), outer.expand(inner.expand(base)))
    with pytest.raises(sharing.SharingError, match="inner weight"):
        sharing.compose(outer, sharing.hashed((4,), 2))


def test_an_entry_that_meets_its_own_negative_is_zero():
    D4 = groups.dihedral(4)
    pattern = sharing.solve(D4.sign(), D4.permutation())  # reflections through vertices fix a vertex and negate
    assert pattern.n_free == 0
    assert torch.equal(pattern.expand(torch.zeros(0)), torch.zeros(4, 1))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: sharing.IndexPattern(torch.tensor([0, 3]), n_free=2), "indices from"),
        (lambda: sharing.IndexPattern(torch.tensor([0, 1]), torch.tensor([1, 2])), "signs"),
        (lambda: sharing.BasisPattern(torch.zeros(3, 1), (2, 2)), "4 rows"),
        (lambda: sharing.hashed((2, 2), 5), "between 1 and 4"),
        (lambda: sharing.permutation_maps(0, 1, 1), "n >= 1"),
        (lambda: sharing.ReshapedPattern(sharing.hashed((2, 2), 2), (3,)), "cannot take"),
        (lambda: sharing.BlockPattern([(1, 2)], [(1, 3)], [[sharing.hashed((2, 2), 2)]]), "block 0, 0"),
        (lambda: sharing.span_distance(sharing.hashed((4,), 2), sharing.hashed((5,), 2)), "one size"),
    ],
)
def test_errors_say_what_is_wrong(build, message):
    with pytest.raises(sharing.SharingError, match=message):
        build()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_means_of_many_uses_are_right_in_half_precision(dtype):
    pattern = sharing.IndexPattern(torch.zeros(1001, dtype=torch.long))
    weight = (100 * (torch.arange(1001) % 2)).to(dtype)
    assert pattern.project(weight).item() == torch.tensor(500 * 100 / 1001).to(dtype).item()
    assert sharing.pattern_penalty(pattern, (torch.arange(1001) == 0).to(dtype)).isfinite()


@pytest.mark.parametrize("mode", ["circular", "replicate"])
def test_taps_that_always_read_one_input_share_what_they_are_projected_to(mode):
    pattern = sharing.toeplitz(3, 2 if mode == "circular" else 1, padding=1, padding_mode=mode)
    weight = pattern.expand(torch.tensor([1.0, 2.0, 5.0]))
    base = pattern.project(weight)
    assert torch.allclose(pattern.expand(base), weight)
    assert base.tolist() == pytest.approx([3.0, 2.0, 3.0] if mode == "circular" else [8 / 3] * 3)


def test_a_picture_needs_a_pattern():
    with pytest.raises(sharing.SharingError, match="got none"):
        sharing.picture({})
