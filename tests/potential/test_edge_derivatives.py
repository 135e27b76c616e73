"""Forces and virial on both sides, against sums over edges one by one."""

import numpy as np
import pytest
import torch
from ase.build import bulk

from equishare.nn import Edges
from equishare.potential import from_atoms
from equishare.potential.arrays.operations import ArrayOperations
from equishare.potential.arrays.weights import Weights
from equishare.potential.derivatives import edge_forces, virial
from equishare.potential.torch_operations import TorchOperations


@pytest.mark.parametrize("side", ["tensors", "arrays"])
def test_forces_and_virial_are_sums_over_edges(side):
    graph = from_atoms(bulk("NaCl", "rocksalt", 5.64, cubic=True), 4.0)
    vectors, n = graph.edge_vectors(), len(graph.numbers)
    gradient = torch.from_numpy(np.random.default_rng(0).normal(size=vectors.shape))
    sender, receiver = graph.edge_index.numpy()
    forces, expected = np.zeros((n, 3)), np.zeros((3, 3))
    for s, r, vector, slope in zip(sender, receiver, vectors.numpy(), gradient.numpy(), strict=True):
        forces[s] -= slope
        forces[r] += slope
        expected += (np.outer(vector, slope) + np.outer(slope, vector)) / 2
    species = torch.zeros(n, dtype=torch.int64)
    if side == "tensors":
        ops = TorchOperations(vectors, species, Edges(graph.edge_index, n), graph.atom_batch, n_graphs=1)
        given = vectors, gradient
    else:
        ops = ArrayOperations(Weights(), vectors.numpy(), species.numpy(), (sender, receiver), n_atoms=n)
        given = vectors.numpy(), gradient.numpy()
    assert np.allclose(edge_forces(ops, given[1]), forces, atol=1e-12)
    assert np.allclose(virial(ops, *given)[0], expected, atol=1e-10)
