"""The prompt: quick help, one command from frames to report, errors that are one message and an exit code."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import typer
import yaml
from ase.io import read

from equishare.cli import app, main
from equishare.potential import load, read_header

COMMAND = [sys.executable, "-m", "equishare.cli"]


def run(*arguments):
    """Exit code of a command in this process."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code or 0
    return 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_config):
    """A run with a committee and a repulsion, made at the prompt, and what it said when its output was piped."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny_config))
    options = ["--committee", "3", "--repulsion", "zbl", "--out", str(folder / "run")]
    command = [*COMMAND, "train", "--config", str(folder / "tiny.yaml"), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "run", done


def test_help_loads_no_torch():
    code = "import sys, equishare.cli; sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'ase', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    for command in ("train", "eval", "md", "select", "inspect", "check"):
        assert command in done.stdout


@pytest.mark.parametrize("command", ["train", "eval", "md", "select", "inspect"])
def test_every_command_has_help(command, capsys):
    assert run(command, "--help") == 0
    assert "--help" in capsys.readouterr().out


def _shown(text):
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("command", sorted(set(typer.main.get_command(app).commands) - {"check"}))
def test_all_of_the_help_is_shown(command, capsys, monkeypatch):
    """No bracket is taken for markup, no line is broken where the source breaks it."""
    monkeypatch.setenv("COLUMNS", "400")
    run(command, "--help")
    shown = _shown(capsys.readouterr().out)
    known = typer.main.get_command(app).commands[command]
    for paragraph in known.help.split("\n\n"):
        assert _shown(paragraph) in shown
    for parameter in known.params:
        assert _shown(parameter.help or "") in shown
        if isinstance(parameter.show_default, str):
            assert f"[default: ({parameter.show_default})]" in shown


def test_version(capsys):
    assert run("--version") == 0
    assert re.fullmatch(r"equishare \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_piped_output_is_plain_and_fits_80_columns(trained):
    folder, done = trained
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    wide = [line for line in done.stdout.splitlines() if len(line.rstrip()) > 80 and str(folder) not in line]
    assert not wide
    assert "validation" in done.stdout
    assert "forces RMSE" in done.stdout
    assert done.stderr == ""


def test_the_folder_holds_everything_and_nothing_else(trained):
    folder, _ = trained
    assert sorted(file.name for file in folder.iterdir()) == [
        "checkpoint.ckpt", "config.yaml", "last.safetensors", "metrics.csv", "model.safetensors", "plots", "report.html",
        "run.lock",
    ]  # fmt: skip
    assert sorted(file.name for file in folder.parent.iterdir()) == ["run", "tiny.yaml"]


def test_eval_prints_json(trained, capsys):
    folder, _ = trained
    assert run("eval", folder / "model.safetensors", "ethanol_test@:5", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    fields = ("energy_mae", "energy_rmse", "energy_mae_per_atom", "energy_rmse_per_atom", "forces_mae", "forces_rmse")
    assert result["n_frames"] == 5
    assert all(0 < result[field] < 1e3 for field in fields)
    assert result["energy_mae"] == pytest.approx(9 * result["energy_mae_per_atom"])
    assert set(result["elements"]) == {"H", "C", "O"}


def test_eval_writes_predictions(trained, tmp_path, capsys):
    folder, _ = trained
    out = tmp_path / "predictions.xyz"
    assert run("eval", folder / "model.safetensors", "ethanol_test@:5", "--out", out, "--batch-size", "2") == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("MAE", "RMSE", "bias", "forces, meV/Å", "energy, meV/atom"))
    images = read(out, ":")
    atoms = images[3].copy()
    atoms.calc = load(folder / "model.safetensors").calculator()
    assert images[3].get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-4)


def test_a_committee_is_in_the_run(trained):
    folder, _ = trained
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["uncertainty"] == {"committee": 3}
    assert settings["model"]["repulsion"] == "zbl"
    header = read_header(folder / "model.safetensors")
    assert header.committee.members == 3
    assert header.statistics.min_distance["O-O"] == 3.0
    assert (folder / "plots" / "calibration.png").exists()
    assert "<h2>Uncertainty</h2>" in (folder / "report.html").read_text()


@pytest.mark.usefixtures("unchecked")
def test_a_run_with_a_committee_is_resumed(trained, tmp_path):
    folder, _ = trained
    copied = shutil.copytree(folder, tmp_path / "run")
    assert run("train", "--resume", copied, "--epochs", "5") == 0
    epochs = [len((each / "metrics.csv").read_text().splitlines()) for each in (folder, copied)]
    assert epochs == [5, 6]  # and the line of names
    assert read_header(copied / "model.safetensors").committee.members == 3


def test_eval_gives_uncertainties(trained, tmp_path, capsys):
    folder, _ = trained
    model, out = folder / "model.safetensors", tmp_path / "predictions.xyz"
    assert run("eval", model, "ethanol_test@:12", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "energy, meV" in printed
    assert max(map(len, printed.splitlines())) <= 80 or str(out) in printed
    assert run("eval", model, "ethanol_test@:12", "--json") == 0
    found = json.loads(capsys.readouterr().out)["uncertainty"]["forces"]
    assert 0 <= found["within_one_sigma"] <= found["within_two_sigma"] <= 1
    (atoms,) = read(out, "2:3")
    (expected,) = load(model).predict([atoms], forces_uncertainty=True)
    assert atoms.info["energy_uncertainty"] == pytest.approx(expected["energy_uncertainty"], rel=1e-3)
    assert atoms.arrays["forces_uncertainty"] == pytest.approx(expected["forces_uncertainty"], rel=1e-3)


def test_select_writes_frames_without_labels(trained, tmp_path, capsys):
    folder, _ = trained
    out = tmp_path / "selected.xyz"
    assert run("select", folder / "model.safetensors", "ethanol_test@::6", "--count", "5", "--out", out) == 0
    printed = capsys.readouterr().out
    images = read(out, ":")
    names = [atoms.info["source"] for atoms in images]
    assert len(set(names)) == 5
    assert all(name in printed and int(name.partition("@")[2]) % 6 == 0 for name in names)
    assert all(atoms.calc is None and set(atoms.info) == {"source", "energy_uncertainty"} for atoms in images)
    assert all(set(atoms.arrays) == {"numbers", "positions", "forces_uncertainty"} for atoms in images)
    assert max(len(line) for line in printed.splitlines() if str(out) not in line) <= 80


def test_inspect(tmp_path, capsys):
    assert run("inspect", "ethanol@:20", "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    bad = tmp_path / "bad.xyz"
    bad.write_text(
        '2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-1 pbc="F F F"\nH nan 0 0 0 0 0\nH 0 0 0.7 0 0 0\n'
    )
    assert run("inspect", bad) == 1
    assert "bad.xyz@0" in capsys.readouterr().out


def test_check_is_passed_through(capsys):
    assert run("check", "--help") == 0
    assert "calculator" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "nowhere.xyz"], 1, "no such file"),
        (["train", "--config", "nowhere.yaml"], 1, "nowhere.yaml"),
        (["train", "--config", "odd.yaml"], 1, "did you mean 'model.channels'"),
        (["train", "--resume", "nowhere"], 1, "no run folder"),
        (["train", "--resume", "."], 1, "nothing to continue"),
        (["train", "--out", "full"], 1, "not empty"),
        (["train", "--out", "odd.yaml"], 1, "cannot write the run folder"),
        (["train", "--valid", "1.5"], 1, "data.valid"),
        (["train", "--valid", "0"], 1, "validation part is empty"),
        (["train", "ethanol@:4"], 1, "part is empty"),
        (["train", "--max-time", "soon"], 1, "90s, 30m or 1h30m"),
        (["train", "--max-time", "1m", "--epochs", "2"], 2, "not both"),
        (["train", "--preset", "huge"], 2, "huge"),
        (["train", "--device", "tpu"], 1, "auto, cpu, cuda"),
        (["train", "--device", "cuda:99"], 1, "no device"),
        (["train", "--e0", "H"], 2, "H=-13.6"),
        (["train", "--e0", "Qq=1"], 1, "chemical symbols"),
        (["train", "--weights", "5"], 2, "energy=3"),
        (["train", "--key", "energy=nothing"], 1, "nothing"),
        (["train", "--epochs", "0"], 1, "budget.epochs"),
        (["train", "dry_ice@:20", "--learn", "dipole"], 1, "no training frame has it"),
        (["eval", "nowhere.safetensors", "ethanol"], 1, "no model file"),
        (["eval", "odd.yaml", "ethanol"], 1, "not a readable"),
        (["eval", "full", "ethanol"], 1, "folder"),
        (["eval"], 2, "Missing argument"),
        (["eval", "nowhere.safetensors", "ethanol", "--out", "no/p.xyz"], 1, "cannot write no/p.xyz"),
        (["select", "nowhere.safetensors", "ethanol", "--out", "full"], 1, "cannot write full: Is a directory"),
        (["inspect", "nowhere.xyz"], 1, "no such file"),
        (["inspect", "posing.pkl"], 1, "pickle"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_errors_are_one_message(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.yaml").write_text("model: {chanels: 3}\n")
    (tmp_path / "posing.pkl").write_bytes(b"\x80\x04.")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    before = sorted(tmp_path.rglob("*.*"))
    assert run(*arguments) == code
    captured = capsys.readouterr()
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", captured.err).split())
    assert message in text
    assert "Traceback" not in captured.err
    assert sorted(tmp_path.rglob("*.*")) == before


def test_debug_shows_the_traceback(capsys):
    assert run("eval", "nowhere.safetensors", "ethanol", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert run("train", "--out", tmp_path / "run") == 1
    assert "cannot write the run folder" in capsys.readouterr().err


def wait_for(file, process):
    """Until the file is there; an error if the process ends before."""
    while not file.exists():
        assert process.poll() is None
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_reports(tmp_path, number, tiny_config):
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump({**tiny_config, "budget": {"epochs": 100_000}}))
    running = subprocess.Popen(
        [*COMMAND, "train", "--config", str(config), "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    wait_for(tmp_path / "run" / "checkpoint.ckpt", running)
    running.send_signal(number)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 128 + number
    assert ("--resume" in output) == (number != signal.SIGHUP)  # the terminal is gone
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_a_second_signal_quits_at_once(tmp_path, tiny_config):
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump({**tiny_config, "budget": {"epochs": 100_000}}))
    running = subprocess.Popen([*COMMAND, "train", "--config", str(config), "--out", str(tmp_path / "run")])
    wait_for(tmp_path / "run" / "model.safetensors", running)
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=60) in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert not (tmp_path / "run" / "report.html").exists()
    load(tmp_path / "run" / "model.safetensors")
