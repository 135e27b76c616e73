"""Runs that go on, that start with momenta, and at constant pressure."""

import csv
import json

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones

from equishare.potential import ModelConfig, Potential, Statistics, load
from equishare.potential.domain import Domain
from equishare.simulate import MDError, MDSettings
from equishare.simulate.md import run as module
from equishare.simulate.md.files import CHECKPOINT, Checkpoint
from equishare.simulate.md.rows import MDRow
from tests.simulate.md_runs import run_md

WIDE = Domain(max_force=1e9, min_distance={"H-H": 0.0, "H-O": 0.0, "O-O": 0.0, "Li-Li": 0.0}, max_nearest={})


def weak(symbols, cutoff=3.5):
    config = ModelConfig(channels=4, l_density=2, l_features=1, n_basis=4, n_hidden=4, cutoff=cutoff)
    return Potential(config, Statistics(reference_energies=symbols, scale=0.001))


@pytest.mark.parametrize("trajectory", ["xyz", "traj"])
@pytest.mark.parametrize("ensemble", ["nve", "langevin", "npt"])
def test_a_restart_goes_on_bit_for_bit(ensemble, trajectory, tmp_path, monkeypatch):
    """Killed between two checkpoints, with states written after the last one: what follows is what would have followed."""
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 0.0)  # at every state that is written
    potential = weak({"Li": -200.0})
    atoms = bulk("Li", cubic=True).repeat((2, 2, 1))
    settings = MDSettings(ensemble=ensemble, interval=4, temperature=600, trajectory=trajectory, seed=2, timestep=3.0)
    whole = run_md(potential, atoms, 40, tmp_path / "whole", settings, domain=WIDE)
    assert whole.stopped is None

    def kill(row):
        if row.step == 20:
            monkeypatch.setattr(module._Run, "_note", lambda *_: None)
        if row.step == 28:
            raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(module, "CHECKPOINT_EVERY", 0.0)
        note = module._Run._note
        with pytest.raises(SystemExit):
            run_md(potential, atoms, 40, tmp_path / "cut", settings, domain=WIDE, report=kill)
        patch.setattr(module._Run, "_note", note)
        assert Checkpoint.load(tmp_path / "cut").step == 16
        resumed = run_md(potential, atoms, 40, tmp_path / "cut", settings, restart=True, domain=WIDE)
    assert resumed.start == "went on after step 16"
    states = [ase.io.read(tmp_path / name / f"trajectory.{trajectory}", ":") for name in ("whole", "cut")]
    assert [frame.info["step"] for frame in states[1]] == [*range(0, 41, 4)]
    for one, other in zip(*states, strict=True):
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.get_momenta(), other.get_momenta())
        assert np.array_equal(one.cell, other.cell)
    tables = [list(csv.DictReader((tmp_path / name / "md.csv").read_text().splitlines())) for name in ("whole", "cut")]
    for line in (*tables[0], *tables[1]):
        del line["steps_per_s"]
    assert tables[0] == tables[1]
    assert [row.step for row in resumed.rows] == [*range(0, 41, 4)]
    last = [Checkpoint.load(tmp_path / name) for name in ("whole", "cut")]
    assert np.array_equal(last[0].positions, last[1].positions)
    assert json.dumps(last[0].integrator) == json.dumps(last[1].integrator)


@pytest.mark.parametrize("trajectory", ["xyz", "traj"])
def test_a_full_disk_leaves_whole_frames_and_a_run_that_goes_on(trajectory, file_size, tmp_path):
    potential, water = weak({"H": -13.6, "O": -2041.0}), molecule("H2O")
    settings = MDSettings(interval=1, trajectory=trajectory)
    run_md(potential, water, 30, tmp_path / "whole", settings, domain=WIDE)
    model = tmp_path / "whole.safetensors"
    file_size(5000)
    with pytest.raises(MDError, match=rf"cannot write .*trajectory\.{trajectory}: File too large; .* --restart"):
        module.run_md(model, water, 30, tmp_path / "full", settings)
    file_size()
    frames = [ase.io.read(tmp_path / name / f"trajectory.{trajectory}", ":") for name in ("whole", "full")]
    assert 3 < len(frames[1]) < 31
    for one, other in zip(*frames, strict=False):
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.get_forces(), other.get_forces())
    assert (tmp_path / "full" / "md.csv").read_bytes().endswith(b"\r\n")
    module.run_md(model, water, 30, tmp_path / "full", settings, restart=True)
    last = [ase.io.read(tmp_path / name / f"trajectory.{trajectory}") for name in ("whole", "full")]
    assert np.array_equal(last[0].positions, last[1].positions)


def test_a_run_is_made_longer(tmp_path):
    potential, water = weak({"H": -13.6, "O": -2041.0}), molecule("H2O")
    run_md(potential, water, 30, tmp_path / "whole", MDSettings(), domain=WIDE)
    run_md(potential, water, 10, tmp_path / "parts", MDSettings(), domain=WIDE)
    run_md(potential, water, 30, tmp_path / "parts", MDSettings(), restart=True, domain=WIDE)
    whole, parts = ((tmp_path / name / "trajectory.xyz").read_text() for name in ("whole", "parts"))
    assert whole == parts


def test_a_linear_molecule_keeps_its_temperature(tmp_path):
    """It has four degrees of freedom without shift and turning, and keeps them when it goes on bent."""
    potential = weak({"H": -13.6, "O": -2041.0})
    linear = Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.96, 0, 0]])
    settings = MDSettings(ensemble="nve", interval=5)
    whole = run_md(potential, linear, 20, tmp_path / "whole", settings, domain=WIDE)
    run_md(potential, linear, 10, tmp_path / "parts", settings, domain=WIDE)
    parts = run_md(potential, linear, 20, tmp_path / "parts", settings, restart=True, domain=WIDE)
    assert whole.rows[0].temperature == pytest.approx(300)
    assert whole.rows[0].kinetic_energy == pytest.approx(4 / 2 * units.kB * 300)
    assert [row.temperature for row in parts.rows[-2:]] == [row.temperature for row in whole.rows[-2:]]


def test_long_times_are_written_in_full(tmp_path):
    row = MDRow(step=2_000_001, time=1_000_000.5, temperature=300.0, potential_energy=-1.0, kinetic_energy=0.1,
                max_force=1.0, steps_per_second=1.0)  # fmt: skip
    assert row.line("nve")[1] == "1000000.5"


@pytest.mark.parametrize("name", ["trajectory.xyz", "md.csv", "trajectory.traj"])
def test_a_file_that_lost_its_end(tmp_path, name):
    potential, water = weak({"H": -13.6, "O": -2041.0}), molecule("H2O")
    settings = MDSettings(trajectory="traj" if name.endswith("traj") else "xyz")
    run_md(potential, water, 20, tmp_path / "run", settings, domain=WIDE)
    path = tmp_path / "run" / name
    if name.endswith("traj"):
        ase.io.write(path, ase.io.read(path, ":1"))
    else:
        path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(MDError, match=rf"{name} holds less than restart.npz beside it says"):
        run_md(potential, water, 30, tmp_path / "run", settings, restart=True, domain=WIDE)


def test_what_cannot_go_on(tmp_path):
    potential, water = weak({"H": -13.6, "O": -2041.0}), molecule("H2O")
    with pytest.raises(MDError, match="there is no"):
        run_md(potential, water, 10, tmp_path, restart=True)
    assert not list(tmp_path.iterdir())
    run_md(potential, water, 10, tmp_path, MDSettings(), domain=WIDE)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for settings, message in (
        (MDSettings(temperature=400), "temperature was 300.0, is now 400"),
        (MDSettings(ensemble="nve"), "ensemble was langevin, is now nve"),
    ):
        with pytest.raises(MDError, match=message):
            run_md(potential, water, 20, tmp_path, settings, restart=True, domain=WIDE)
    with pytest.raises(MDError, match="the structure was OH2, is now CH4"):
        run_md(potential, molecule("CH4"), 20, tmp_path, MDSettings(timestep=0.5), restart=True, domain=WIDE)
    with pytest.raises(MDError, match="has done 10 steps already"):
        run_md(potential, water, 5, tmp_path, MDSettings(), restart=True, domain=WIDE)
    with pytest.raises(MDError, match="it is not the run's model"):
        run_md(weak({"H": -13.0, "O": -2041.0}), water, 20, tmp_path, MDSettings(), restart=True, domain=WIDE)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / CHECKPOINT).write_bytes(b"PK")
    with pytest.raises(MDError, match="damaged"):
        run_md(potential, water, 20, tmp_path, MDSettings(), restart=True, domain=WIDE)


def test_momenta_of_the_structure_are_kept(tmp_path):
    potential, water = weak({"H": -13.6, "O": -2041.0}), molecule("H2O")
    water.set_momenta([[0.3, 0.3, 0.3], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0]])
    result = run_md(potential, water, 2, tmp_path / "kept", MDSettings(interval=1), domain=WIDE)
    first = ase.io.read(tmp_path / "kept" / "trajectory.xyz", 0)
    assert first.get_momenta() == pytest.approx(water.get_momenta(), abs=1e-7)
    assert result.start.startswith("velocities of the structure, ")
    # it moves and turns: every degree of freedom holds energy
    kelvin = 2 * water.get_kinetic_energy() / (9 * units.kB)
    nve = run_md(potential, water, 1, tmp_path / "nve", MDSettings(ensemble="nve", interval=1), domain=WIDE)
    assert nve.rows[0].temperature == pytest.approx(kelvin)
    new = run_md(potential, water, 1, tmp_path / "new", MDSettings(new_velocities=True), domain=WIDE)
    assert new.start == "velocities drawn at 300 K"
    water.set_momenta(np.full((3, 3), np.nan))
    with pytest.raises(MDError, match="momenta of the structure are not finite"):
        run_md(potential, water, 2, tmp_path / "nan", domain=WIDE)


def test_constant_pressure_needs_a_cell(tmp_path):
    with pytest.raises(MDError, match="periodic along all three vectors"):
        run_md(weak({"H": -13.6, "O": -2041.0}), molecule("H2O"), 5, tmp_path / "out", MDSettings(ensemble="npt"))
    assert not (tmp_path / "out").exists()


class _Argon:
    """Stands in for the calculator: Lennard-Jones argon, whose numbers are known."""

    def __new__(cls, potential, **_):
        calculator = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.5, smooth=True)
        calculator.potential = load(potential)
        calculate = calculator.calculate
        calculator.calculate = lambda atoms, properties, changes: calculate(atoms, [*properties, "stress"], changes)
        return calculator


@pytest.mark.slow
def test_constant_pressure_is_the_pressure_asked_for(tmp_path, monkeypatch):
    """Its mean, its sign, and the volume that another pressure goes with."""
    monkeypatch.setattr(module, "_WithStress", _Argon)
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True).repeat(2)
    potential = weak({"Ar": 0.0}, cutoff=6.5)
    volumes = []
    for bar in (0.0, 5000.0):
        settings = MDSettings(ensemble="npt", temperature=40, pressure=bar, friction=0.02, timestep=4.0, interval=2)
        result = run_md(potential, atoms, 3000, tmp_path / f"{bar:g}", settings, domain=Domain(max_force=1e9))
        assert result.stopped is None
        late = result.rows[len(result.rows) // 4 :]
        assert np.mean([row.pressure for row in late]) == pytest.approx(bar, abs=250)
        assert np.mean([row.temperature for row in late]) == pytest.approx(40, rel=0.08)
        volumes.append(np.mean([row.volume for row in late]))
    # the bulk modulus of solid argon at 40 K is some 2 GPa, and grows with pressure
    assert 1.2 < -0.5 / np.log(volumes[1] / volumes[0]) < 4.5
