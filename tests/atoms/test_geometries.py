"""What is measured of many geometries at a time is what each has by itself, kept in memory and on disk."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.data import covalent_radii

from equishare.atoms import Frame, inspect, read_frames
from equishare.atoms.frame import species_counts
from equishare.atoms.geometries import REACH, geometries
from equishare.atoms.store import FrameStore, convert


def structures():
    salt = bulk("NaCl", "rocksalt", a=5.6).repeat(2)
    salt.rattle(0.1, seed=0)
    broken = molecule("CH4")
    broken.positions[2, 1] = np.nan
    flat = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.8]], cell=[1, 1, 0], pbc=True)
    return [molecule("CH3OH"), salt, broken, Atoms("He"), molecule("H2O"), flat, bulk("Li"), molecule("C6H6")]


def test_measures_of_many_are_those_of_each():
    frames = [Frame(atoms) for atoms in structures()]
    found = geometries(frames)
    assert found.sound.tolist() == [True, True, False, True, True, False, True, True]
    for number, atoms in enumerate(structures()):
        mine = slice(*found.starts[number : number + 2])
        alone = geometries([Frame(atoms)])
        np.testing.assert_array_equal(found.rows[number], alone.rows[0])
        np.testing.assert_array_equal(found.atoms[mine], alone.atoms)
        if not found.sound[number]:
            assert np.isinf(found.nearest[mine]).all()
            continue
        pairs = Frame(atoms).neighbours(REACH)
        radii = covalent_radii[atoms.numbers]
        for atom in range(len(atoms)):
            of = pairs.receiver == atom
            d = pairs.distances[of]
            assert found.nearest[mine][atom] == pytest.approx(d.min(initial=np.inf), rel=1e-6)
            ratios = d / (radii[atom] + radii[pairs.sender[of]])
            assert found.ratios[mine][atom] == pytest.approx(ratios.min(initial=np.inf), rel=1e-6)
        near = pairs.distances[pairs.distances < 5.0]
        assert found.crowding[number] == pytest.approx(np.sum((5.0 - near) ** 2) / len(atoms))
        weight = (1 - (near / 5.0) ** 2) ** 3
        assert found.invariants[number, 0] == pytest.approx(np.sum(weight * np.exp(-near)))
    assert found.least(found.nearest)[3] == np.inf
    assert found.of(found.sound).rows.shape == (6, 12)


def test_a_store_keeps_what_was_measured(tmp_path):
    convert(["dry_ice@:40"], {}, tmp_path / "frames")
    stored = FrameStore(tmp_path / "frames").frames()
    for ours, theirs in zip(geometries(stored), geometries(read_frames("dry_ice@:40")), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for one, other in zip(stored, read_frames("dry_ice@:40"), strict=True):
        np.testing.assert_array_equal(one.numbers, other.numbers)
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.cell, other.cell)
        assert (one.pbc, one.composition.formula) == (other.pbc, other.composition.formula)
        assert all(one.has(name) == other.has(name) for name in ("energy", "stress", "dipole"))


def test_no_structure_is_built_of_frames_on_disk_to_look_at_them(tmp_path, monkeypatch):
    convert(["ethanol@:600"], {}, tmp_path / "frames")
    read, built = FrameStore._read_atoms, []
    monkeypatch.setattr(FrameStore, "_read_atoms", lambda store, row: built.append(row) or read(store, row))
    inspection = inspect(FrameStore(tmp_path / "frames").frames())
    assert inspection.ok
    assert set(built) <= {0, 1, 2}  # isolated atoms


def test_atoms_without_a_neighbour_are_counted_for_any_cutoff():
    chain = Atoms("He3", positions=[[0, 0, 0], [0, 0, 3.0], [0, 0, 9.5]])
    for cutoff, lonely in ((2.5, 3), (5.0, 1), (6.0, 1), (6.6, 0)):
        found = inspect([Frame(chain, energy=-1.0, forces=np.zeros((3, 3)))], cutoff=cutoff)
        said = [f.message for f in found.findings if f.code == "no-neighbours"]
        assert [int(text.split()[0]) for text in said] == [lonely] * bool(lonely)


def test_a_crowd_is_named_and_does_not_stop_the_look():
    crowd = Atoms("H400", positions=np.random.default_rng(0).uniform(0, 4.99, (400, 3)), cell=[4.99] * 3, pbc=True)
    frames = [
        Frame(crowd, file="a.xyz", index=7, energy=-1.0),
        Frame(molecule("H2"), file="a.xyz", index=8, energy=-2.0),
    ]
    codes = {finding.code: finding.frames for finding in inspect(frames).findings}
    assert codes["no-graph" if "no-graph" in codes else "overlap"] == ("a.xyz@7",)


def test_counts_of_species():
    species, counts = species_counts([Frame(molecule(name)) for name in ("CH4", "H2O", "CH4")])
    assert species == ["H", "C", "O"]
    assert counts.tolist() == [[4, 1, 0], [2, 0, 1], [4, 1, 0]]
