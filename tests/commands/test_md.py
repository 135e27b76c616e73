"""``equishare md`` at the prompt."""

import ase.io
import pytest
import typer
from ase.build import molecule
from typer.testing import CliRunner

from equishare.commands.md import md
from equishare.errors import EquishareError
from equishare.potential import ModelConfig, Potential, Statistics, save
from equishare.potential.domain import Domain


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(md)
    return app


@pytest.fixture
def files(tmp_path):
    config = ModelConfig(channels=4, l_density=2, l_features=1, n_basis=4, n_hidden=4, cutoff=4.0)
    wide = Domain(min_distance={"H-H": 0.0, "H-O": 0.0}, max_nearest={"H": 1e9, "O": 1e9})
    potential = Potential(config, Statistics(reference_energies={"H": -13.6, "O": -2041.0}, scale=0.01))
    save(potential, tmp_path / "m.safetensors", metadata={"domain": wide.model_dump()})
    save(potential, tmp_path / "plain.safetensors")
    ase.io.write(tmp_path / "start.xyz", molecule("H2O"))
    squeezed = molecule("H2O")
    squeezed.set_distance(0, 1, 0.4)
    ase.io.write(tmp_path / "squeezed.xyz", squeezed)
    return tmp_path


def invoke(app, folder, *arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments] + ["--out", str(folder / "out")])


def test_a_run(app, files):
    options = (
        "--temperature",
        300,
        "--steps",
        30,
        "--ensemble",
        "nve",
        "--timestep",
        0.25,
        "--dtype",
        "float64",
        "--seed",
        4,
    )
    result = invoke(app, files, files / "m.safetensors", files / "start.xyz", *options)
    assert result.exit_code == 0, result.output
    assert "step       30 of 30" in result.output
    assert "steps/s" in result.output
    assert "energy drift" in result.output
    assert len(ase.io.read(files / "out" / "trajectory.xyz", ":")) == 4
    assert (files / "out" / "md.png").exists()


def test_plain_output_has_no_escape_codes(app, files):
    result = invoke(app, files, files / "m.safetensors", files / "start.xyz", "--steps", 20)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output


def test_a_bar_is_drawn_on_terminals_only_though_color_is_forced(app, files, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as notebooks do
    result = invoke(app, files, files / "m.safetensors", files / "start.xyz", "--steps", 20)
    assert result.exit_code == 0, result.output
    assert not any(control in result.output for control in ("\r", "\x1b[2K", "\x1b[1A", "\x1b[?25l"))


def test_leaving_the_domain_is_said_and_is_an_exit_code(app, files):
    result = invoke(app, files, files / "plain.safetensors", files / "squeezed.xyz", "--steps", 20)
    assert result.exit_code == 1
    assert "stopped at step 0: atoms 0 (O) and 1 (H) are 0.400 Å apart" in result.output
    assert "to the training data" in result.output


@pytest.mark.parametrize(
    ("model", "start", "options", "error", "message"),
    [
        ("absent.safetensors", "start.xyz", (), FileNotFoundError, "no model file"),
        ("start.xyz", "start.xyz", (), EquishareError, "not a readable"),
        ("m.safetensors", "absent.xyz", (), EquishareError, "absent.xyz"),
        ("m.safetensors", "m.safetensors", (), EquishareError, "expected a format that ASE reads"),
        ("m.safetensors", "start.xyz", ("--steps", "0"), EquishareError, "steps must be positive"),
        ("m.safetensors", "start.xyz", ("--device", "abacus"), EquishareError, "abacus"),
    ],
)
def test_errors(app, files, model, start, options, error, message):
    result = invoke(app, files, files / model, files / start, *options)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
    assert not (files / "out").exists()


def test_pressure_is_that_of_constant_pressure(app, files):
    result = invoke(app, files, files / "m.safetensors", files / "start.xyz", "--pressure", 1000)
    assert "--pressure is that of --ensemble npt, got langevin" in str(result.exception)
    assert not (files / "out").exists()


def test_momenta_restart_and_formats(app, files):
    moving = molecule("H2O")
    moving.set_momenta([[0.1, 0.0, 0.0]] * 3)
    ase.io.write(files / "moving.xyz", moving)
    common = (
        files / "m.safetensors",
        files / "moving.xyz",
        "--interval",
        1,
        "--trajectory",
        "traj",
        "--dtype",
        "float64",
    )
    result = invoke(app, files, *common, "--steps", 3)
    assert result.exit_code == 0, result.output
    assert "velocities of the structure, " in result.output
    result = invoke(app, files, *common, "--steps", 6, "--restart")
    assert result.exit_code == 0, result.output
    assert "went on after step 3" in result.output
    frames = ase.io.read(files / "out" / "trajectory.traj", ":")
    assert [frame.info["step"] for frame in frames] == [*range(7)]
    assert frames[0].get_momenta() == pytest.approx(moving.get_momenta())
    drawn = invoke(app, files / "new", *common, "--steps", 1, "--new-velocities")
    assert "velocities drawn at 300 K" in drawn.output


def test_constant_pressure(app, files):
    box = molecule("H2O", vacuum=3.0)
    box.pbc = True
    ase.io.write(files / "box.xyz", box)
    result = invoke(app, files, files / "m.safetensors", files / "box.xyz", "--ensemble", "npt", "--steps", 4)
    assert result.exit_code == 0, result.output
    assert "mean pressure" in result.output
    assert (files / "out" / "md.csv").read_text().splitlines()[0].endswith("volume_A3,pressure_bar")


@pytest.mark.slow
def test_several_starts(app, files):
    ase.io.write(files / "many.xyz", [molecule("H2O")] * 3)
    result = invoke(app, files, files / "m.safetensors", f"{files}/many.xyz@0:2", files / "start.xyz", "--steps", 5)
    assert result.exit_code == 0, result.output
    assert "3 runs, 0 of them stopped early" in result.output
    last = [ase.io.read(files / "out" / str(k) / "trajectory.xyz") for k in range(3)]
    assert not (last[0].positions == last[1].positions).all()
