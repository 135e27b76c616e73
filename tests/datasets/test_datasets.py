"""The bundled sets are what their README says, and their labels can be made again."""

import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from equishare import datasets
from equishare.datasets import generate

# name -> species, atoms, frames without isolated atoms, labels
SETS = {
    "ethanol": ("C2H6O", 9, 1008, {"energy", "forces", "dipole"}),
    "ethanol_test": ("C2H6O", 9, 252, {"energy", "forces", "dipole"}),
    "dry_ice": ("C4O8", 12, 240, {"energy", "forces", "stress"}),
    "dry_ice_test": ("C4O8", 12, 48, {"energy", "forces", "stress"}),
    "ions": ("CHNO", None, 240, {"energy", "forces"}),
    "ions_test": ("CHNO", None, 120, {"energy", "forces"}),
}


def test_the_names():
    assert datasets.names() == sorted(SETS)
    with pytest.raises(datasets.DatasetNameError, match=r"one of dry_ice, .* got 'water'"):
        datasets.path("water")


@pytest.mark.parametrize("name", SETS)
def test_contents(name):
    formula, atoms, count, labels = SETS[name]
    isolated = [f for f in datasets.load(name) if len(f) == 1]
    frames = [f for f in datasets.load(name) if len(f) > 1]
    assert len(frames) == count
    species = [] if name.endswith("_test") else sorted(Atoms(formula).symbols.species())
    assert sorted(f.get_chemical_formula() for f in isolated) == species
    assert all(f.info["config_type"] == "isolated_atom" for f in isolated)
    for frame in frames:
        assert atoms is None or (len(frame), frame.get_chemical_formula()) == (atoms, formula)
        assert set(frame.calc.results) == labels
        assert all(np.isfinite(value).all() for value in frame.calc.results.values())
        assert np.abs(frame.get_forces().sum(axis=0)).max() < 1e-4
        assert frame.info["config_type"] == f"md_{frame.info['temperature']}K"
        assert frame.pbc.all() == ("stress" in labels)


@pytest.mark.parametrize("name", ["ethanol", "dry_ice", "ions"])
def test_the_held_out_part_comes_from_other_trajectories(name):
    def trajectories(part):
        return {(f.info["temperature"], f.info["trajectory"]) for f in datasets.load(part) if len(f) > 1}

    train, test = trajectories(name), trajectories(f"{name}_test")
    assert not train & test
    assert {t for t, _ in train} == {t for t, _ in test} == set(generate.RECIPES[name].temperatures)


def test_energies_lie_below_the_isolated_atoms():
    for name in ("ethanol", "dry_ice"):
        frames = datasets.load(name)
        e0 = {f.get_chemical_symbols()[0]: f.get_potential_energy() for f in frames if len(f) == 1}
        for frame in frames:
            if len(frame) > 1:
                binding = (frame.get_potential_energy() - sum(e0[s] for s in frame.symbols)) / len(frame)
                assert -10.0 < binding < -4.0


@pytest.mark.parametrize("name", ["ions", "ions_test"])
def test_every_geometry_is_there_neutral_and_as_a_cation(name):
    frames = [f for f in datasets.load(name) if len(f) > 1]
    for neutral, cation in zip(frames[::2], frames[1::2], strict=True):
        assert (neutral.info["charge"], neutral.info["spin"]) == (0, 1)
        assert (cation.info["charge"], cation.info["spin"]) == (1, 2)
        np.testing.assert_array_equal(neutral.positions, cation.positions)
        ionisation = cation.get_potential_energy() - neutral.get_potential_energy()
        assert 12.0 < ionisation < 20.0  # GFN2-xTB's are too high
    assert len({f.get_chemical_formula() for f in frames}) == 5


def test_temperatures_show_in_the_energies():
    frames = [f for f in datasets.load("ethanol") if len(f) > 1]
    means = [np.mean([f.get_potential_energy() for f in frames if f.info["temperature"] == t]) for t in (300, 450, 600)]
    assert means[0] < means[1] < means[2]
    # harmonic: k T / 2 for each of 21 vibrations
    assert means[2] - means[0] == pytest.approx(21 / 2 * 8.617e-5 * 300, rel=0.5)


def test_the_files_are_small():
    files = list(Path(datasets.__file__).parent.glob("*.xyz"))
    assert len(files) == 6
    assert sum(len(zlib.compress(file.read_bytes())) for file in files) < 1_000_000


def test_what_is_written_is_what_is_read(tmp_path):
    frames = datasets.load("dry_ice_test")[:3] + datasets.load("ethanol")[:5]
    generate.write(tmp_path / "again.xyz", frames)
    source = datasets.path("dry_ice_test").read_text().splitlines()[: 3 * 14]
    assert (tmp_path / "again.xyz").read_text().splitlines()[: 3 * 14] == source
    assert [p.name for p in tmp_path.iterdir()] == ["again.xyz"]


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        generate.main(["water"])
    assert "expected data sets among ethanol, dry_ice, ions; got water" in capsys.readouterr().err


def test_without_tblite_the_message_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tblite.ase", None)
    with pytest.raises(SystemExit) as stop:
        generate.main(["ethanol"])
    assert stop.value.code == 1
    assert "pip install 'equishare[xtb]'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_labels_can_be_made_again(name):
    pytest.importorskip("tblite")
    frames = datasets.load(name)
    sample = [f for f in frames if len(f) == 1] + [f for f in frames if len(f) > 1][:: len(frames) // 10]
    for frame in sample:
        again = generate.label(
            Atoms(frame.symbols, frame.positions, cell=frame.cell, pbc=frame.pbc, info=frame.info)
        ).calc.results
        written = frame.calc.results
        assert again["energy"] == pytest.approx(written["energy"], abs=2e-6)
        np.testing.assert_allclose(again["forces"], written["forces"], atol=5e-5)
        for label, tolerance in (("stress", 1e-6), ("dipole", 2e-5)):
            assert (label in again) == (label in written)
            if label in again:
                np.testing.assert_allclose(again[label], written[label], atol=tolerance)


@pytest.mark.slow
def test_forces_and_stress_are_derivatives_of_the_energy():
    pytest.importorskip("tblite")
    frame = datasets.load("dry_ice")[40]
    h = 1e-3
    energies = []
    for sign in (1, -1):
        moved = frame.copy()
        moved.positions[3, 1] += sign * h
        energies.append(generate.label(moved).get_potential_energy())
    assert -(energies[0] - energies[1]) / (2 * h) == pytest.approx(frame.get_forces()[3, 1], abs=2e-3)
    energies = []
    for sign in (1, -1):
        strained = frame.copy()
        strain = np.eye(3)
        strain[0, 0] += sign * h
        strained.set_cell(frame.cell @ strain, scale_atoms=True)
        energies.append(generate.label(strained).get_potential_energy())
    slope = (energies[0] - energies[1]) / (2 * h) / frame.get_volume()
    assert slope == pytest.approx(frame.get_stress()[0], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ethanol", "dry_ice", "ions"])
def test_the_same_seed_gives_the_same_file(tmp_path, monkeypatch, name):
    pytest.importorskip("tblite")
    short = replace(generate.RECIPES[name], train=1, test=1, frames=2, equilibration=10, stride=5)
    monkeypatch.setitem(generate.RECIPES, name, short)
    texts = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        files = generate.generate(name, tmp_path / folder, seed)
        assert [f.name for f in files] == [f"{name}.xyz", f"{name}_test.xyz"]
        texts.append([f.read_text() for f in files])
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_trajectories_start_from_sound_geometries():
    torsions, volumes = set(), []
    for number in range(4):
        rng = np.random.default_rng(number)
        molecule = generate.ethanol(number, rng)
        bonds = np.sort(molecule.get_all_distances()[np.triu_indices(9, 1)])[:8]
        assert bonds.min() > 0.9
        assert bonds.max() < 1.6
        distances = molecule.get_all_distances()
        hydroxyl = 3 + int(np.argmin(distances[2, 3:]))
        torsions.add(round(min(t := molecule.get_dihedral(0, 1, 2, hydroxyl), 360 - t)) if number else 180)
        crystal = generate.dry_ice(number, rng)
        assert np.sort(crystal.get_all_distances(mic=True)[0])[1:3] == pytest.approx(1.145, abs=0.05)
        volumes.append(crystal.get_volume())
    assert torsions == {60, 180}
    assert volumes[0] == pytest.approx(5.3**3)
    assert len(set(volumes)) == 4
