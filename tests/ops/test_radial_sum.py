"""The edge sum that computes its radial weights on the way is the edge sum, and its derivatives are those of autograd."""

import numpy as np
import pytest
import torch

from equishare.ops.edge_sum.operation import sweeps
from equishare.ops.radial_sum import numba as radial_sum

CHANNELS, BASIS, COMPONENTS, ATOMS = 5, 3, 9, 7


@pytest.mark.parametrize("features", [0, 3, 8])
@pytest.mark.parametrize(
    "edges", [0, 40, 700], ids=str
)  # of an atom: none, a few atoms at a time, more than are taken together
def test_edge_sum_of_a_map_of_radial_functions(features, edges):
    generator = torch.Generator().manual_seed(edges)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    receiver = torch.sort(torch.randint(0, ATOMS - 1, (edges,), generator=generator))[0]  # the last atom has none
    sender = torch.randint(0, ATOMS, (edges,), generator=generator)
    basis, harmonics, weight = random(edges, BASIS), random(edges, COMPONENTS), random(1, BASIS, 3 * CHANNELS)
    s, x = random(ATOMS, CHANNELS), random(features, ATOMS, CHANNELS)
    degree = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 2])
    radial = (basis @ weight[0]).view(edges, 3, CHANNELS)[:, degree]
    terms = harmonics[:, :, None] * s[sender][:, None]
    terms = terms + torch.nn.functional.pad(x[:, sender].transpose(0, 1), (0, 0, 1, COMPONENTS - 1 - features))
    expected = torch.zeros(ATOMS, COMPONENTS, CHANNELS, dtype=torch.float64).index_add(0, receiver, radial * terms)
    seed = random(COMPONENTS, ATOMS, CHANNELS).detach()
    leaves = basis, harmonics, s, x
    gradients = torch.autograd.grad((expected.transpose(0, 1) * seed).sum(), leaves, materialize_grads=True)

    arrays = [each.detach().numpy() for each in leaves]
    w = weight.detach().numpy()
    starts = np.searchsorted(receiver.numpy(), np.arange(ATOMS + 1))
    shared = *arrays[2:], arrays[1], sweeps(COMPONENTS), sender.numpy(), starts
    found, matrix = np.full((COMPONENTS, ATOMS, CHANNELS), np.nan), np.zeros(1, np.int64)
    radial_sum.forward(0, ATOMS, arrays[0], w, matrix, *shared, found)
    np.testing.assert_allclose(found, expected.detach().transpose(0, 1), rtol=1e-12, atol=1e-12)
    out = [np.zeros_like(each) for each in arrays]
    back = w.transpose(0, 2, 1).copy()
    radial_sum.backward(0, ATOMS, seed.numpy(), arrays[0], w, back, matrix, *shared, *out)
    for value, wanted in zip(out, gradients, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12)
