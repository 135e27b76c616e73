"""``equishare relax``, ``vibrations`` and ``spectrum`` at the prompt."""

import csv
import signal

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from typer.testing import CliRunner

from equishare.cli import app, main
from equishare.errors import EquishareError
from equishare.potential import ModelConfig, Potential, Statistics, save
from equishare.simulate import EquishareCalculator


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("minima")
    common = {"channels": 4, "l_density": 2, "l_features": 1, "n_basis": 4, "n_hidden": 4, "cutoff": 3.0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for name, heads in (("dipole", ("dipole",)), ("plain", ())):
            config = ModelConfig(**common, heads=heads, repulsion="zbl")
            statistics = Statistics(
                reference_energies={"H": -13.6, "O": -430.0, "Li": -200.0},
                scale=2.0,
                min_distance={"H-O": 1.1, "H-H": 1.6, "Li-Li": 3.0},
            )
            save(Potential(config, statistics), folder / f"{name}.safetensors")
    ase.io.write(folder / "water.xyz", molecule("H2O"))
    ase.io.write(folder / "waters.xyz", [molecule("H2O")] * 2)
    ase.io.write(folder / "lithium.xyz", bulk("Li", "bcc", a=3.3))
    return folder


def invoke(files, out, *arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments] + ["--out", str(out)])


def test_relax(files, tmp_path):
    result = invoke(files, tmp_path / "a", "relax", files / "plain.safetensors", files / "water.xyz", "--fmax", 1e-3)
    assert result.exit_code == 0, result.output
    relaxed = ase.io.read(tmp_path / "a" / "relaxed.xyz")
    assert np.linalg.norm(relaxed.get_forces(), axis=1).max() < 1e-3
    rows = list(csv.DictReader((tmp_path / "a" / "relax.csv").read_text().splitlines()))
    assert float(rows[-1]["energy"]) == pytest.approx(relaxed.get_potential_energy())
    assert float(rows[-1]["energy"]) < float(rows[0]["energy"])
    assert (tmp_path / "a" / "relax.png").read_bytes().startswith(b"\x89PNG")
    again = invoke(files, tmp_path / "a", "relax", files / "plain.safetensors", files / "water.xyz")
    assert "holds something already" in str(again.exception)


def test_what_leaves_the_training_data_is_said(files, tmp_path):
    """Atoms without neighbours have no forces: a minimum that says nothing."""
    ase.io.write(tmp_path / "far.xyz", Atoms("H2", positions=[[0, 0, 0], [0, 0, 30.0]]))
    for command in ("relax", "vibrations"):
        result = invoke(files, tmp_path / command, command, files / "plain.safetensors", tmp_path / "far.xyz")
        assert result.exit_code == 0, result.output
        assert "outside the training data: atom 0 (H) has flown off: it is over 3 Å from" in result.output
    near = invoke(files, tmp_path / "near", "relax", files / "plain.safetensors", files / "lithium.xyz")
    assert "outside" not in near.output


def test_an_atom_without_forces_is_drawn(files, tmp_path, recwarn):
    ase.io.write(tmp_path / "atom.xyz", Atoms("O"))
    result = invoke(files, tmp_path / "a", "relax", files / "plain.safetensors", tmp_path / "atom.xyz")
    assert result.exit_code == 0, result.output
    assert not [each for each in recwarn if "log" in str(each.message)]


def test_where_it_was_written_is_one_line(files, tmp_path):
    out = tmp_path / ("a" * 100)
    result = invoke(files, out, "relax", files / "plain.safetensors", files / "water.xyz")
    assert f"Written to {out}: relaxed.xyz, and of each" in result.output


def test_one_structure_vibrates(files, tmp_path):
    failed = invoke(files, tmp_path / "a", "vibrations", files / "plain.safetensors", f"{files}/waters.xyz@:")
    assert "expected one structure, got 2" in str(failed.exception)


def test_relax_says_what_did_not_converge(files, tmp_path):
    result = invoke(files, tmp_path / "a", "relax", files / "plain.safetensors", files / "water.xyz", "--steps", 1)
    assert result.exit_code == 1
    assert "1 of 1 structures did not converge in 1 steps" in result.output


@pytest.mark.slow
def test_relax_several(files, tmp_path):
    sources = f"{files}/waters.xyz@:", files / "water.xyz"
    result = invoke(files, tmp_path / "a", "relax", files / "plain.safetensors", *sources)
    assert result.exit_code == 0, result.output
    relaxed = ase.io.read(tmp_path / "a" / "relaxed.xyz", ":")
    assert len(relaxed) == 3
    assert (tmp_path / "a" / "2" / "path.xyz").exists()


def test_vibrations_of_a_molecule(files, tmp_path):
    for name, columns in (("plain", 2), ("dipole", 3)):
        out = tmp_path / name
        result = invoke(files, out, "vibrations", files / f"{name}.safetensors", files / "water.xyz")
        assert result.exit_code == 0, result.output
        table = np.loadtxt(out / "vibrations.csv", delimiter=",", skiprows=1)
        assert table.shape == (9, columns)
        assert (table[-3:, 1] > 50).all()
        assert "zero-point energy" in result.output
        assert (out / "vibrations.png").exists()


def test_bands_and_elastic_constants_of_a_crystal(files, tmp_path):
    pytest.importorskip("phonopy")
    arguments = "vibrations", files / "plain.safetensors", files / "lithium.xyz"
    result = invoke(files, tmp_path / "a", *arguments, "--supercell", "2", "--elastic")
    assert result.exit_code == 0, result.output
    assert "bulk modulus" in result.output
    constants = np.loadtxt(tmp_path / "a" / "elastic.csv", delimiter=",", skiprows=1)
    assert constants[0, 0] == pytest.approx(constants[2, 2], rel=1e-2)
    assert (tmp_path / "a" / "bands.png").exists()
    for extra, message in (((), "say what to compute"), (("--supercell", "two"), "a positive number or three")):
        failed = invoke(files, tmp_path / "b", *arguments, *extra)
        assert isinstance(failed.exception, EquishareError)
        assert message in str(failed.exception)
    failed = invoke(files, tmp_path / "b", "vibrations", files / "plain.safetensors", files / "water.xyz", "--elastic")
    assert "are for crystals" in str(failed.exception)


def test_spectrum(files, tmp_path):
    model = files / "dipole.safetensors"
    relaxed = invoke(files, tmp_path / "r", "relax", model, files / "water.xyz")
    assert relaxed.exit_code == 0, relaxed.output
    options = "--steps", 100, "--interval", 2, "--timestep", 0.25, "--temperature", 50
    run = invoke(files, tmp_path / "md", "md", model, tmp_path / "r" / "relaxed.xyz", *options)
    assert run.exit_code == 0, run.output
    trajectory = tmp_path / "md" / "trajectory.xyz"
    result = invoke(files, tmp_path / "s", "spectrum", model, trajectory, "--temperature", 50)
    assert result.exit_code == 0, result.output
    assert "one every 0.5 fs" in result.output
    table = np.loadtxt(tmp_path / "s" / "spectrum.csv", delimiter=",", skiprows=1)
    assert (np.diff(table[:, 0]) > 0).all()
    assert table[:, 1].max() > 0
    assert (tmp_path / "s" / "spectrum.png").exists()
    for source, message in (
        (f"{files}/waters.xyz@:", "do not say their time"),
        (trajectory, "--learn dipole"),
    ):
        chosen = files / "plain.safetensors" if source == trajectory else model
        failed = invoke(files, tmp_path / "t", "spectrum", chosen, source)
        assert isinstance(failed.exception, EquishareError)
        assert message in str(failed.exception)


@pytest.mark.parametrize("name", ["md", "relax", "vibrations", "spectrum"])
def test_swapped_arguments(name, files, tmp_path):
    result = invoke(files, tmp_path / "out", name, files / "water.xyz", files / "plain.safetensors")
    assert result.exit_code == 1
    assert "water.xyz is not a readable .safetensors model file" in str(result.exception or result.output)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["relax", "vibrations", "spectrum"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_said_and_leaves_nothing_half_written(name, number, files, tmp_path, monkeypatch, capsys):
    """While the model computes; SIGTERM is how batch systems end a job."""
    monkeypatch.setattr(EquishareCalculator, "calculate", lambda *_, **__: signal.raise_signal(number))
    frames = [molecule("H2O") for _ in range(3)]
    for k, frame in enumerate(frames):
        frame.info["time_fs"] = 0.5 * k
    ase.io.write(tmp_path / "frames.xyz", frames)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        main([name, str(files / "dipole.safetensors"), str(tmp_path / "frames.xyz"), "--out", str(tmp_path / "out")])
    assert end.value.code == 130
    assert capsys.readouterr().err == "Interrupted.\n"
    assert not (tmp_path / "out").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_cannot_be_computed_leaves_no_folder(files, tmp_path):
    ase.io.write(tmp_path / "silicon.xyz", bulk("Si"))
    result = invoke(files, tmp_path / "a", "relax", files / "plain.safetensors", tmp_path / "silicon.xyz")
    assert "holds Si" in str(result.exception)
    assert not (tmp_path / "a").exists()
