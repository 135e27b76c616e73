"""Second derivatives of the energy against finite differences of the forces, and the laws that they obey."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from equishare.potential import GraphError, ModelConfig, Potential, collate, from_atoms, hessian


def differences(potential, atoms, step=1e-4):
    columns = []
    for coordinate in range(3 * len(atoms)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[coordinate // 3, coordinate % 3] += sign * step
            ends.append(potential.predict([moved])[0]["forces"].ravel())
        columns.append(-(ends[0] - ends[1]) / (2 * step))
    return np.array(columns)


@pytest.mark.parametrize("kind", ["molecule", "crystal", "slab"])
def test_against_finite_differences(make_potential, structures, kind):
    potential, atoms = make_potential(), structures[kind]
    matrix = hessian(potential, from_atoms(atoms, potential.cutoff)).numpy()
    expected = differences(potential, atoms)
    assert np.abs(expected).max() > 0.1
    assert np.allclose(matrix, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_symmetry_and_sum_rule(make_potential, ethanol, orthogonal, dtype):
    potential = make_potential(dtype)
    matrix = hessian(potential, from_atoms(ethanol, potential.cutoff)).double()
    tolerance = (1e-4 if dtype == torch.float32 else 1e-11) * float(matrix.abs().max())
    assert torch.equal(matrix, matrix.T)
    assert float(matrix.reshape(27, 9, 3).sum(1).abs().max()) < tolerance  # translations
    for improper in (False, True):
        q = orthogonal(improper)
        turned = ethanol.copy()
        turned.positions = ethanol.positions @ q.numpy().T
        full = torch.block_diag(*[q] * 9)
        again = hessian(potential, from_atoms(turned, potential.cutoff)).double()
        assert float((again - full @ matrix @ full.T).abs().max()) < tolerance


def test_it_does_not_depend_on_how_many_rows_are_made_at_once(make_potential, ethanol):
    potential = make_potential()
    graph = from_atoms(ethanol, potential.cutoff)
    one, some = hessian(potential, graph, atoms_at_once=1), hessian(potential, graph, atoms_at_once=50)
    assert torch.allclose(one, some, rtol=0, atol=1e-11)


def test_an_atom_alone(make_potential):
    potential = make_potential()
    assert not hessian(potential, from_atoms(Atoms("H"), potential.cutoff)).any()


def test_nothing_is_left_behind(make_potential, ethanol):
    potential = make_potential()
    graph = from_atoms(ethanol, potential.cutoff)
    hessian(potential, graph)
    assert not graph.positions.requires_grad
    assert all(parameter.grad is None for parameter in potential.parameters())
    assert not potential(graph).forces.requires_grad


def test_gradients_that_are_switched_off_make_no_difference():
    potential = Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0}).double().eval()
    graph = from_atoms(molecule("H2O"), potential.cutoff)
    expected = hessian(potential, graph)
    with torch.no_grad():
        assert torch.equal(hessian(potential, graph), expected)
    with pytest.raises(GraphError, match="one structure, got 2"):
        hessian(potential, collate([graph, graph]))


def test_forces_in_inference_mode():
    potential, water = (
        Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0}).double().eval(),
        molecule("H2O"),
    )
    (expected,) = potential.predict([water], stress=True)
    with torch.inference_mode():
        (found,) = potential.predict([water], stress=True)
        prediction = potential(from_atoms(water, potential.cutoff))
    assert all(np.array_equal(found[name], value) for name, value in expected.items())
    assert np.array_equal(prediction.forces.numpy(), expected["forces"])
    assert not prediction.forces.is_inference()
