import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from equishare.potential import domain as domain_module
from equishare.potential.domain import Domain


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(20):
        atoms = molecule("CH3CH2OH")
        atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
        frames.append(atoms)
    return [*frames, Atoms("C")]


def test_ranges(frames):
    forces = [np.full((len(atoms), 3), 2.0) for atoms in frames]
    forces[3][1, 2] = np.nan  # not labelled
    energies = [-40.0 - 0.1 * k for k in range(20)] + [5.0]
    domain = Domain.of(frames, forces, energies)
    distances = [
        np.linalg.norm(a.positions[a.symbols == "O"] - a.positions[a.symbols == "H"], axis=1) for a in frames[:-1]
    ]
    assert domain.min_distance["H-O"] == pytest.approx(np.min(distances))
    assert list(domain.min_distance) == ["C-C", "C-H", "C-O", "H-H", "H-O"]
    assert domain.max_force == pytest.approx(2 * 3**0.5)
    assert domain.energy_per_atom == pytest.approx((-41.9 / 9, -40 / 9))
    assert set(domain.max_nearest) == {"C", "H", "O"}


def test_survives_json(frames):
    domain = Domain.of(frames)
    assert Domain.model_validate(json.loads(json.dumps(domain.model_dump()))) == domain


def test_training_frames_are_inside(frames):
    forces = [np.random.default_rng(1).normal(size=(len(a), 3)) for a in frames]
    energies = np.linspace(-42, -40, len(frames))
    domain = Domain.of(frames, forces, energies)
    for atoms, f, e in zip(frames, forces, energies, strict=True):
        assert domain.check(atoms, f, e if len(atoms) > 1 else None) is None


@pytest.mark.parametrize("known", [True, False], ids=["measured", "covalent radii"])
def test_too_close(frames, known):
    domain = Domain.of(frames) if known else Domain()
    atoms = molecule("CH3CH2OH")
    assert domain.check(atoms) is None
    atoms.set_distance(0, 1, 0.7, fix=0)  # C-C
    reason = domain.check(atoms)
    assert "atoms 0 (C) and 1 (C) are 0.700 Å apart" in reason
    assert ("training data" in reason) == known


def test_every_bond_of_real_molecules_is_inside_without_measurement():
    for name in ("H2", "N2", "CO", "O2", "F2", "HCN", "C2H2", "CH4", "H2O", "LiF", "SO2", "Cl2", "NaCl"):
        assert Domain().check(molecule(name)) is None, name
    for metal in ("Li", "Cu", "W"):
        assert Domain().check(bulk(metal)) is None


def test_flown_off(frames):
    domain = Domain.of(frames)
    atoms = molecule("CH3CH2OH")
    i = int(np.flatnonzero(atoms.symbols == "H")[0])
    atoms.positions[i] += [0, 0, 4.0]
    assert f"atom {i} (H) has flown off" in domain.check(atoms)
    atoms.positions[i] += [0, 0, 400.0]
    assert f"atom {i} (H) has flown off: it is over 6 Å" in Domain().check(atoms)


def test_forces_and_energy(frames):
    domain = Domain.of(frames, [np.ones((len(a), 3)) for a in frames], np.linspace(-42, -40, len(frames)))
    atoms = molecule("CH3CH2OH")
    forces = np.zeros((9, 3))
    forces[4, 1] = 6.0
    assert "the force on atom 4" in domain.check(atoms, forces)
    assert "largest of the training data is 1.7 eV/Å" in domain.check(atoms, forces)
    forces[5] = np.nan
    assert "the force on atom 5 (H) is not finite" in domain.check(atoms, forces)
    assert "hole" in domain.check(atoms, energy=-45.0)
    assert domain.check(atoms, energy=-38.0) is None  # a hotter run
    assert "not finite" in domain.check(atoms, energy=np.nan)


def test_positions_that_are_not_finite():
    atoms = molecule("H2O")
    atoms.positions[1] = np.nan
    assert Domain().check(atoms) == "the position of atom 1 (H) is not finite"


def test_periodic_images_count():
    domain = Domain.of([bulk("Li")])
    assert domain.check(bulk("Li")) is None
    squeezed = bulk("Li")
    squeezed.set_cell(0.8 * squeezed.cell, scale_atoms=True)
    assert "atoms 0 (Li) and 0 (Li)" in domain.check(squeezed)


def test_many_frames_have_the_ranges_of_each(monkeypatch):
    """Frames are looked at many at a time; one by one the ranges are the same."""
    rng, frames = np.random.default_rng(3), []
    for name in ("CH3OH", "H2O", "CH4", "C6H6") * 5:
        atoms = molecule(name)
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        frames.append(atoms)
    frames.append(Atoms("He"))
    found = Domain.of(frames)
    closest, farthest = {}, {}
    for atoms in frames:
        distances = atoms.get_all_distances() + 1e9 * np.eye(len(atoms))
        for i, j in np.argwhere(distances < 6.0):
            name = "-".join(sorted((atoms.symbols[i], atoms.symbols[j])))
            closest[name] = min(closest.get(name, np.inf), distances[i, j])
        for symbol, nearest in zip(atoms.symbols, distances.min(axis=1), strict=True):
            if nearest < 6.0:
                farthest[symbol] = max(farthest.get(symbol, 0.0), nearest)
    assert found.min_distance == pytest.approx(closest)
    assert found.max_nearest == pytest.approx(farthest)
    monkeypatch.setattr(domain_module, "_PAIRS", 1)
    assert Domain.of(frames) == found
