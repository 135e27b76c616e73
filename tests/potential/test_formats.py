"""A stored model gives the numbers that it gave when it was stored: in every format, under every release of e3nn, torch and numpy.

A new format gets files of its own, ``python tests/potential/test_formats.py``; those of earlier formats stay as they are.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from equishare.nn import backend
from equishare.potential import ModelConfig, Potential, Statistics, load, read_header, save
from equishare.potential.migrations import FORMAT

DATA = Path(__file__).parent / "data"


def structures() -> list[Atoms]:
    """A molecule and a crystal, from formulas: no library's data or random numbers."""
    k = np.arange(21).reshape(7, 3)
    spiral = np.stack([1.1 * np.arange(7), 1.3 * np.cos(np.arange(7)), 1.2 * np.sin(1.7 * np.arange(7))], axis=1)
    cell = [[4.0, 0.3, 0.0], [0.0, 4.2, 0.5], [0.2, 0.0, 3.9]]
    return [
        Atoms("CHOHCHO", positions=spiral + 0.1 * np.sin(k)),
        Atoms("CHO", scaled_positions=[[0, 0, 0], [0.4, 0.5, 0.6], [0.8, 0.2, 0.1]], cell=cell, pbc=True),
    ]


def numbers(potential: Potential) -> dict[str, list[float]]:
    found = potential.predict(structures(), stress=True)
    reference = [sum(potential.statistics.reference_energies[s] for s in atoms.symbols) for atoms in structures()]
    return {
        "energy": [row["energy"] - e0 for row, e0 in zip(found, reference, strict=True)],
        "forces": [value for row in found for value in row["forces"].flatten().tolist()],
        "stress": found[1]["stress"].flatten().tolist(),
        "dipole": found[0]["dipole"].tolist(),
    }


@pytest.mark.parametrize("name", ["numba", "torch"])
@pytest.mark.parametrize("number", range(2, FORMAT + 1))
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_stored_model_gives_its_numbers(name, number, dtype, bound):
    expected = json.loads((DATA / f"format_{number}.json").read_text())
    with backend(name):
        found = numbers(load(DATA / f"format_{number}.safetensors", dtype=dtype))
    for quantity, values in expected.items():
        error = np.linalg.norm(np.subtract(found[quantity], values))
        assert error < bound * np.linalg.norm(values), quantity


def test_committee_and_repulsion_of_format_2():
    expected = json.loads((DATA / "format_2_committee.json").read_text())
    potential = load(DATA / "format_2_committee.safetensors")
    (found,) = potential.predict([molecule("CH3CH2OH")], forces_uncertainty=True)
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert np.allclose(found[name], values, rtol=1e-9, atol=1e-9), name
    assert read_header(DATA / "format_2_committee.safetensors").metadata["note"]


def everything() -> Potential:
    """Every part that a file can have beside a dipole: conditions, polarizability, charges that reach far, nuclear repulsion."""
    config = ModelConfig(
        channels=4,
        l_density=2,
        l_features=2,
        body_order=3,
        n_basis=4,
        n_hidden=4,
        cutoff=4.0,
        heads=("polarizability",),
        conditions=("charge", "spin", "method"),
        methods=("xtb", "pbe"),
        long_range="coulomb",
        repulsion="zbl",
    )
    closest = {"C-C": 1.2, "C-H": 1.0, "C-O": 1.1, "H-H": 0.7, "H-O": 0.9, "O-O": 1.2}
    return Potential(config, Statistics(reference_energies=ENERGIES, neighbours=7.0, min_distance=closest))


def of_an_ion(potential: Potential) -> dict[str, list[float]]:
    ion = structures()[0]
    ion.info.update(charge=-1, spin=2, method="pbe")
    (row,) = potential.predict([ion])
    return {name: np.ravel(value).tolist() for name, value in row.items()}


def test_every_part_of_format_3():
    pytest.importorskip("torchpme")
    expected = json.loads((DATA / "format_3_everything.json").read_text())
    found = of_an_ion(load(DATA / "format_3_everything.safetensors"))
    assert set(found) == set(expected) >= {"polarizability", "charges"}
    for name, values in expected.items():
        assert np.allclose(found[name], values, rtol=1e-9, atol=1e-9), name


ENERGIES = {"H": -13.5, "C": -1027.5, "O": -2041.5}


def filled(potential: Potential) -> Potential:
    """Weights from a formula: no library's random numbers."""
    with torch.no_grad():
        for k, weight in enumerate(potential.parameters()):
            phase = torch.arange(weight.numel(), dtype=torch.float64)
            size = weight.double().std() if weight.numel() > 1 and weight.any() else 1.0
            weight.copy_((size * torch.sin(1.3 * phase + k)).view_as(weight))
    return potential.double().eval()


def write() -> None:
    config = ModelConfig(
        channels=4, l_density=3, l_features=2, body_order=4, n_basis=4, n_hidden=4, cutoff=4.0, heads=("dipole",)
    )
    constants = Statistics(reference_energies=ENERGIES, scale=0.8, shift={"C": -3.0}, neighbours=9.0, spacing=1.1)
    potential, other = filled(Potential(config, constants)), filled(everything())
    DATA.mkdir(exist_ok=True)
    save(potential, DATA / f"format_{FORMAT}.safetensors")
    (DATA / f"format_{FORMAT}.json").write_text(json.dumps(numbers(potential), indent=1) + "\n")
    save(other, DATA / f"format_{FORMAT}_everything.safetensors")
    (DATA / f"format_{FORMAT}_everything.json").write_text(json.dumps(of_an_ion(other), indent=1) + "\n")


if __name__ == "__main__":
    write()
