"""What the table of symmetry tests does not hold: errors of sampling, special values, and what is refused."""

import pytest
import torch
from torch import nn as torch_nn

from equishare import groups, nn, sharing
from equishare.nn.fields.product_activation import symmetric_products

SO2, O2, SO3, O3 = groups.so2(), groups.o2(), groups.so3(), groups.o3()
C4, C8, D4 = groups.cyclic(4), groups.cyclic(8), groups.dihedral(4)


def sampling_error(layer):
    """The mean relative error of f(g x) against g f(x) over a few random elements."""
    x = torch.randn(64, layer.rep_in.size, dtype=torch.float64)
    found = []
    for seed in range(4):
        g = layer.rep_in.group.random(torch.Generator().manual_seed(seed))
        turned = layer(x @ layer.rep_in(g).mT) - layer(x) @ layer.rep_out(g).mT
        found.append(float(turned.norm() / layer(x).norm()))
    return sum(found) / len(found)


@pytest.mark.parametrize(
    ("group", "degree", "space", "bound"),
    [
        (SO2, 3, "group", 3e-3),
        (O2, 3, "group", 3e-3),
        (O2, 3, "sphere", 3e-3),
        (SO3, 1, "group", 0.05),
        (SO3, 2, "sphere", 0.01),
        (O3, 2, "sphere", 0.01),
    ],
    ids=str,
)
def test_the_error_of_sampling_is_small_and_falls_with_the_samples(group, degree, space, bound):
    layer = nn.FourierActivation(group, 3, degree, space=space)
    first = sampling_error(layer)
    finer = sampling_error(nn.FourierActivation(group, 3, degree, space=space, samples=4 * layer.samples))
    assert 1e-7 < first < bound
    assert finer < 0.3 * first


def test_turns_that_move_the_samples_are_exact():
    layer = nn.FourierActivation(SO2, 2, 2, torch_nn.ReLU(), samples=12).double()
    x, turn = torch.randn(5, 10, dtype=torch.float64), groups.cyclic(12).defining()(groups.cyclic(12).generators[0])
    torch.testing.assert_close(layer(x @ layer.rep_in(turn).mT), layer(x) @ layer.rep_out(turn).mT)


def test_all_irreps_of_a_finite_group_are_its_regular_field_in_another_basis():
    layer = nn.FourierActivation(D4, 1, function=torch_nn.ReLU())
    assert layer.field.size == D4.order
    assert groups.intertwiner_count(layer.field, D4.regular()) == groups.intertwiner_count(D4.regular(), D4.regular())
    with_identity = nn.FourierActivation(O3, 2, 1, torch_nn.Identity()).double()
    x = torch.randn(4, with_identity.rep_in.size, dtype=torch.float64)
    torch.testing.assert_close(with_identity(x), x)


def test_a_vector_points_where_the_response_is_largest():
    x = torch.zeros(1, 8)
    x[0, 2] = 2.0
    torch.testing.assert_close(nn.VectorFieldActivation(1, C8.regular())(x), torch.tensor([[0.0, 2.0]]))
    assert not nn.VectorFieldActivation(1, C8.regular())(-torch.ones(1, 8)).any()


def test_products_are_all_symmetric_ones():
    field = O3.irreps("0e+1o+1e")
    pattern = symmetric_products(field)
    matrix = pattern.as_matrix().reshape(7, 7, 7, -1)
    torch.testing.assert_close(matrix, matrix.transpose(1, 2))
    # 0e: 00, 11, 11; 1o: 0 1o and 1o x 1e; 1e: 0 1e (1o x 1o and 1e x 1e are antisymmetric)
    assert pattern.n_free == 6
    free = sharing.SharedWeight.of(pattern, 2)
    assert sharing.report(nn.TensorProductActivation(2, field)).untied == free.untied


def test_layer_norm_of_invariants_is_torchs():
    ours, theirs = nn.FieldLayerNorm(6 * D4.trivial()), torch_nn.LayerNorm(6)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch_nn.init.normal_(a)
        b.data.copy_(a.data)
    x = torch.randn(5, 6)
    torch.testing.assert_close(ours(x), theirs(x))
    vectors = nn.FieldLayerNorm(5 * D4.defining())(3 * torch.randn(7, 10))
    torch.testing.assert_close(vectors.square().mean(1), torch.ones(7), rtol=1e-4, atol=1e-4)


def test_a_batch_norm_of_several_fields_is_differentiated_in_training():
    norm = nn.FieldBatchNorm(2 * D4.trivial() + 3 * D4.defining() + D4.regular())
    x = torch.randn(6, norm.rep_in.size, 3, 3, requires_grad=True)
    norm(x).square().sum().backward()
    parts = [nn.FieldBatchNorm(rep) for rep in (2 * D4.trivial(), 3 * D4.defining(), D4.regular())]
    alone = x.detach().clone().requires_grad_()
    pieces = alone.split([2, 6, 8], dim=1)
    torch.cat([part(y) for part, y in zip(parts, pieces, strict=True)], 1).square().sum().backward()
    torch.testing.assert_close(x.grad, alone.grad)
    torch.testing.assert_close(norm.running_var, torch.cat([part.running_var for part in parts]))
    torch.testing.assert_close(norm.running_mean, torch.cat([part.running_mean for part in parts]))


def test_a_norm_activation_takes_any_function_of_the_length():
    layer = nn.NormActivation(2 * D4.defining(), torch_nn.Sigmoid())
    x = torch.randn(5, 4)
    lengths = x.reshape(5, 2, 2).norm(dim=2)
    expected = torch.sigmoid(lengths + layer.bias)
    torch.testing.assert_close(layer(x).reshape(5, 2, 2).norm(dim=2), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.FourierActivation(SO2, 1), "with a degree"),
        (lambda: nn.FourierActivation(groups.lorentz(), 1, 2), "with a degree"),
        (lambda: nn.FourierActivation(SO2, 1, 3, samples=5), "more of them"),
        (lambda: nn.FourierActivation(SO2, 1, 3, torch_nn.Softmax()), "entrywise"),
        (lambda: nn.FourierActivation(C4, 1, space="sphere"), "subgroup"),
        (lambda: nn.NormActivation(C4.regular(), torch_nn.Softmax()), "entrywise"),
        (lambda: nn.VectorFieldActivation(1, C4.defining()), "permuted"),
        (lambda: nn.VectorFieldActivation(1, 2 * C4.regular()), "every coordinate"),
        (lambda: nn.VectorFieldActivation(1, C4.trivial()), "no direction"),
        (lambda: nn.TensorProductActivation(1, O3.irreps("1o")), "add invariants"),
        (lambda: nn.FieldLayerNorm(groups.lorentz().defining()), "lengths"),
    ],
)
def test_what_has_no_law_is_refused(make, message):
    with pytest.raises(nn.EquivarianceError, match=message):
        make()
