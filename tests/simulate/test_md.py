"""Molecular dynamics, on a smooth potential of known weights."""

import csv
import math
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.constraints import FixAtoms

from equishare.devices import DeviceError
from equishare.potential import Committee, GraphError, ModelConfig, Potential, Statistics, UnknownSpeciesError, save
from equishare.potential.domain import Domain
from equishare.simulate import MDError, MDResult, MDRow, MDSettings
from equishare.simulate.md import run as module
from equishare.simulate.md.velocities import default_timestep, draw_velocities
from equishare.simulate.md.watch import Watch
from tests.simulate.md_runs import run_md

WIDE = Domain(max_force=1e9, min_distance={"H-H": 0.0, "H-O": 0.0, "O-O": 0.0}, max_nearest={"H": 1e9, "O": 1e9})

NVE = MDSettings(ensemble="nve")

LITHIUM = Domain(max_force=1e9, min_distance={"Li-Li": 0.0})


@pytest.fixture
def potential():
    """Weak forces: water falls apart slowly enough for these few steps."""
    config = ModelConfig(channels=4, l_density=2, l_features=1, n_basis=4, n_hidden=4, cutoff=4.0)
    return Potential(config, Statistics(reference_energies={"H": -13.6, "O": -2041.0}, scale=0.02)).double()


@pytest.fixture
def water():
    return molecule("H2O")


def test_nve_conserves_energy_in_second_order(potential, water, tmp_path):
    """Halving the time step divides the fluctuation of the total energy by four: forces are the energy's derivative."""
    spread = []
    for k, timestep in enumerate((0.5, 0.25)):
        result = run_md(
            *(potential, water, 30 * 2**k, tmp_path / str(k)),
            MDSettings(ensemble="nve", timestep=timestep, interval=2**k),
            domain=WIDE,
        )
        energies = np.array([row.total_energy for row in result.rows])
        spread.append(np.ptp(energies))
        assert result.stopped is None
        assert np.ptp([row.potential_energy for row in result.rows]) > 1e-3
    assert spread[1] == pytest.approx(spread[0] / 4, rel=0.2)


def test_frames_tell_how_uncertain_they_are(potential, water, tmp_path):
    potential.committee = Committee(potential.energy.n_inputs, 2).double()
    potential.committee.set_precision(torch.eye(potential.energy.n_inputs), torch.Generator().manual_seed(0))
    run_md(potential, water, 2, tmp_path / "md", MDSettings(interval=1), domain=WIDE)
    frames = ase.io.read(tmp_path / "md" / "trajectory.xyz", ":")
    expected = [row["energy_uncertainty"] for row in potential.predict(frames)]
    assert [frame.info["energy_uncertainty"] for frame in frames] == pytest.approx(expected, rel=1e-5)


def test_drift_is_the_slope_of_the_total_energy():
    rows = [MDRow(k, 0.5 * k, 300.0, -10.0 + 0.002 * k, 1.0, 0.0, 1.0) for k in range(9)]
    assert MDResult(Path("x"), NVE, 4, rows=rows).drift == pytest.approx(0.002 / 0.5e-3 * 1000 / 4)  # meV/atom/ps
    assert math.isnan(MDResult(Path("x"), NVE, 4, rows=rows[:2]).drift)


def test_files(potential, water, tmp_path):
    rows = []
    out = tmp_path / "a" / "b"
    result = run_md(potential, water, 25, out, MDSettings(seed=3), domain=WIDE, report=rows.append)
    assert [row.step for row in rows] == [0, 10, 20, 25]
    assert rows == result.rows
    frames = ase.io.read(out / "trajectory.xyz", ":")
    assert [frame.info["step"] for frame in frames] == [0, 10, 20, 25]
    last = frames[-1]
    assert np.allclose(last.get_forces(), potential.predict([last])[0]["forces"], atol=1e-6)
    assert last.get_potential_energy() == pytest.approx(rows[-1].potential_energy, abs=1e-6)
    assert last.get_kinetic_energy() == pytest.approx(rows[-1].kinetic_energy, rel=1e-4)
    with open(out / "md.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [int(line["step"]) for line in table] == [0, 10, 20, 25]
    assert float(table[-1]["total_eV"]) == pytest.approx(rows[-1].total_energy, rel=1e-7)
    assert (out / "md.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in out.iterdir()) == ["md.csv", "md.png", "restart.npz", "trajectory.xyz"]


def test_same_seed_same_run(potential, water, tmp_path):
    before = water.positions.copy()
    runs = [
        run_md(potential, water, 5, tmp_path / str(k), MDSettings(seed=s, interval=1), domain=WIDE)
        for k, s in enumerate((7, 7, 8))
    ]
    states = [[(row.temperature, row.potential_energy) for row in run.rows] for run in runs]
    assert states[0] == states[1] != states[2]
    assert np.array_equal(water.positions, before)
    assert water.calc is None


def test_langevin_samples_its_temperature(tmp_path):
    """Hardly any forces: the temperature's mean is the one asked for, its spread that of the canonical ensemble."""
    config = ModelConfig(
        channels=1, l_density=1, l_features=0, layers=1, body_order=2, n_basis=1, n_hidden=1, cutoff=3.5
    )
    atoms = bulk("Li", cubic=True).repeat((2, 2, 1))
    potential = Potential(config, Statistics(reference_energies={"Li": -200.0}, scale=1e-6))
    result = run_md(
        potential, atoms, 400, tmp_path, MDSettings(temperature=400, friction=0.1, interval=1), domain=LITHIUM
    )
    kelvin = np.array([row.temperature for row in result.rows[50:]])
    assert kelvin.mean() == pytest.approx(400, rel=0.15)
    assert kelvin.std() == pytest.approx(400 * (2 / 24) ** 0.5, rel=0.5)


@pytest.mark.parametrize(
    ("atoms", "degrees"),
    [(molecule("H2O"), 3), (molecule("CO2"), 4), (molecule("CH4"), 9), (bulk("Cu", cubic=True), 9), (Atoms("H"), 0)],
)
def test_velocities(atoms, degrees):
    assert draw_velocities(atoms, 300.0, np.random.default_rng(0)) == degrees
    momenta = atoms.get_momenta()
    assert np.abs(momenta.sum(0)).max() < 1e-12
    if not atoms.pbc.any():
        assert np.abs(atoms.get_angular_momentum()).max() < 1e-10
    if degrees:
        assert 2 * atoms.get_kinetic_energy() / (degrees * units.kB) == pytest.approx(300)


def test_velocities_of_constrained_atoms(water):
    water.set_constraint(FixAtoms([0]))
    assert draw_velocities(water, 300.0, np.random.default_rng(0)) == 6
    assert not water.get_momenta()[0].any()


def test_time_step_by_the_lightest_atom(water):
    assert default_timestep(water) == 0.5
    assert default_timestep(bulk("Li")) == 1.0


def test_stops_where_it_leaves_the_domain_of_the_model_file(potential, water, tmp_path):
    domain = Domain.of([water])
    save(potential, tmp_path / "m.safetensors", metadata={"domain": domain.model_dump()})
    water.set_distance(0, 1, 0.9)
    result = run_md(tmp_path / "m.safetensors", water, 1000, tmp_path / "out", MDSettings(temperature=3000, seed=1))
    assert result.stopped.startswith("stopped at step ")
    assert "training data" in result.stopped
    assert not result.interrupted
    frames = ase.io.read(tmp_path / "out" / "trajectory.xyz", ":")
    assert frames[-1].info["step"] == result.rows[-1].step  # the frame that left is kept
    assert domain.check(frames[-1]) is not None
    assert (tmp_path / "out" / "md.png").exists()


def test_stops_where_atoms_collide(potential, water, tmp_path):
    """No domain in the file: covalent radii."""
    water.set_distance(0, 1, 0.5)
    result = run_md(potential, water, 10, tmp_path)
    assert (
        "stopped at step 0: atoms 0 (O) and 1 (H) are 0.500 Å apart; the sum of their covalent radii" in result.stopped
    )


@pytest.mark.parametrize(
    ("forces", "message"),
    [
        (np.full((3, 3), 80.0), "force of 139 eV/Å: the run explodes"),
        (np.full((3, 3), np.nan), "is not finite"),
        (np.diag([50.0, -50.0, 50.0]), "K: the run explodes"),
    ],
)
def test_stops_where_it_explodes(potential, water, tmp_path, monkeypatch, forces, message):
    calls = []

    def get_forces(self, **options):
        calls.append(1)
        return np.zeros((3, 3)) if len(calls) < 4 else forces

    monkeypatch.setattr(Atoms, "get_forces", get_forces)
    result = run_md(potential, water, 10, tmp_path, MDSettings(ensemble="nve", interval=1))
    assert result.rows[-1].step in (3, 4)
    assert message in result.stopped


def test_interrupted(potential, water, tmp_path):
    def press(row):
        if row.step == 20:
            raise KeyboardInterrupt

    result = run_md(potential, water, 1000, tmp_path, report=press, domain=WIDE)
    assert result.interrupted
    assert result.stopped == "interrupted after 20 of 1000 steps"
    assert len(ase.io.read(tmp_path / "trajectory.xyz", ":")) == 3
    assert (tmp_path / "md.png").exists()


def test_a_run_is_not_overwritten(potential, water, tmp_path):
    run_md(potential, water, 1, tmp_path, domain=WIDE)
    before = (tmp_path / "md.csv").read_bytes(), (tmp_path / "trajectory.xyz").read_bytes()
    with pytest.raises(MDError, match="holds a run already"):
        run_md(potential, water, 1, tmp_path, domain=WIDE)
    assert ((tmp_path / "md.csv").read_bytes(), (tmp_path / "trajectory.xyz").read_bytes()) == before


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"timestep": 0.0},
        {"friction": 0.0},
        {"interval": 0},
        {"ensemble": "nvt"},
        {"pressure": math.inf},
        {"seed": -1},
        {"trajectory": "dcd"},
        {"dtype": "float16"},
    ],
)
def test_numbers_that_make_no_sense(potential, water, tmp_path, bad):
    arguments = {"steps": 5} | bad
    with pytest.raises((MDError, DeviceError), match="float32" if "dtype" in bad else next(iter(bad))):
        run_md(potential, water, arguments.pop("steps"), tmp_path / "out", MDSettings(**arguments))
    assert not (tmp_path / "out").exists()


def test_unusable_structures_leave_no_folder(potential, tmp_path):
    adrift = molecule("H2O")
    adrift.positions[1, 0] = np.nan
    cases = (molecule("NH3"), UnknownSpeciesError), (Atoms("H", pbc=True), GraphError), (adrift, GraphError)
    for atoms, error in cases:
        with pytest.raises(error):
            run_md(potential, atoms, 5, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_atoms_that_are_all_held(potential, water, tmp_path):
    water = water.copy()
    water.set_constraint(FixAtoms(range(3)))
    with pytest.raises(MDError, match="hold every atom"):
        run_md(potential, water, 5, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_velocities_that_are_too_hot_are_not_taken_for_an_explosion(potential, water, tmp_path):
    water = water.copy()
    water.set_momenta([[3.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    result = run_md(potential, water, 5, tmp_path)
    assert "draw new velocities" in result.stopped


def test_one_atom(potential, tmp_path):
    result = run_md(potential, Atoms("H"), 20, tmp_path, NVE)
    assert result.stopped is None
    assert result.rows[-1].kinetic_energy == 0


def test_float32_on_request(potential, water, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "EquishareCalculator", lambda *a, **k: seen.append(k) or original(*a, **k))
    run_md(potential, water, 1, tmp_path, MDSettings(dtype="float32"), domain=WIDE)
    assert seen[0]["dtype"] == torch.float32


original = module.EquishareCalculator


@pytest.mark.parametrize("key", ["method", "level_of_theory"])
def test_the_range_of_energies_is_that_of_the_level(key):
    """Whatever the spelling of the method, by which the energy is predicted: its isolated atoms are those of the range."""
    config = ModelConfig(channels=4, n_basis=4, n_hidden=4, cutoff=3.0, conditions=("method",), methods=("xtb", "pbe"))
    e0 = {"H": -13.0, "O": -400.0}
    potential = Potential(config, Statistics(reference_energies=e0, levels={"pbe": {"H": -5.0, "O": -90.0}}))
    water = molecule("H2O")
    water.info[key] = "pbe"
    water.calc = potential.calculator()
    own = (water.get_potential_energy() + 2 * 18.0 + 490.0) / 3
    watch = Watch(WIDE.model_copy(update={"energy_per_atom": (own - 0.1, own + 0.1)}), potential, 300.0, 9)
    assert watch(water, np.zeros((3, 3)), 0) is None
