"""The polarizability: one row of the table and one head; its law, and that it is learnt from frames that have it."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.units import Bohr, Hartree

import equishare
from equishare.atoms import Frame
from equishare.potential import collate, from_atoms
from equishare.potential.arrays import ArrayPotential, Structure


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "improper"])
def test_it_turns_with_the_molecule(make_potential, ethanol, orthogonal, improper, dtype, bound):
    potential = make_potential(dtype, heads=("polarizability",), l_features=2)
    turned, g = ethanol.copy(), orthogonal(improper).numpy()
    turned.positions = ethanol.positions @ g.T + [3.0, -2.0, 5.0]
    order = np.random.default_rng(0).permutation(len(ethanol))
    (before,), (after,) = potential.predict([ethanol]), potential.predict([turned[order]])
    alpha = before["polarizability"]
    assert np.linalg.norm(alpha - np.trace(alpha) / 3 * np.eye(3)) > 0.01 * np.linalg.norm(alpha)
    assert np.linalg.norm(after["polarizability"] - g @ alpha @ g.T) < bound * np.linalg.norm(alpha)
    assert np.array_equal(alpha, alpha.T)


def test_on_arrays_as_on_tensors(make_potential, ethanol):
    potential = make_potential(heads=("dipole", "polarizability"))
    graph = collate([from_atoms(ethanol, potential.cutoff)])
    edges = graph.edge_vectors().numpy(), *graph.edge_index.numpy()
    found = ArrayPotential(potential)(Structure(ethanol.numbers, *edges, positions=ethanol.positions))
    for name in ("dipole", "polarizability"):
        assert np.allclose(found.get(name), potential(graph).get(name).detach(), rtol=1e-11, atol=1e-13), name


def labelled(atoms, index, field=1e-3):
    """Energy, forces and polarizability by GFN2-xTB, the last one by central differences of the dipole in fields, here in atomic units."""
    tblite = pytest.importorskip("tblite.interface")
    rows = []
    for axis in range(3):
        dipoles = []
        for sign in (1.0, -1.0):
            vector = [0.0, 0.0, 0.0]
            vector[axis] = sign * field
            calculator = tblite.Calculator("GFN2-xTB", atoms.numbers, atoms.positions / Bohr)
            calculator.set("verbosity", 0)
            calculator.set("accuracy", 0.1)
            calculator.add("electric-field", vector)
            dipoles.append(np.asarray(calculator.singlepoint().get("dipole")))
        rows.append((dipoles[0] - dipoles[1]) / (2 * field))
    matrix = np.array(rows) * Bohr**2 / Hartree
    calculator = tblite.Calculator("GFN2-xTB", atoms.numbers, atoms.positions / Bohr)
    calculator.set("verbosity", 0)
    result = calculator.singlepoint()
    labels = {
        "energy": float(result.get("energy")) * Hartree,
        "forces": -np.asarray(result.get("gradient")) * Hartree / Bohr,
        "polarizability": (matrix + matrix.T) / 2,
    }
    return Frame(atoms, labels=labels, file="made.xyz", index=index)


@pytest.mark.slow
def test_it_is_learnt(tmp_path):
    """Water and hydrogen cyanide, bent and stretched: RMS error below a twentieth of the labels' scatter."""
    rng, frames = np.random.default_rng(0), []
    for k in range(160):
        atoms = molecule(["H2O", "HCN"][k % 2])
        atoms.positions += rng.normal(scale=0.06, size=atoms.positions.shape)
        atoms.rotate(rng.uniform(0, 360), rng.normal(size=3))
        frames.append(labelled(atoms, k))
    run = equishare.train(
        frames,
        model={"preset": "small", "heads": ["polarizability"]},
        budget={"epochs": 60},
        data={"valid": 0.15, "test": 0.15},
        optimisation={"weights": {"polarizability": 10.0}},
        run={"out": str(tmp_path / "run"), "device": "cpu"},
    )
    labels = np.array([frame.label("polarizability") for frame in frames])
    assert 0.05 < np.trace(labels.mean(0)) / 3 < 0.3  # water has 1.4 Å^3, which is 0.10 e·Å²/V
    error = run.evaluations["test"].errors["polarizability"].rmse
    assert error < 0.05 * labels.std(axis=0).mean()
