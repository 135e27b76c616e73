"""The prompt: what it prints, the report, errors that are one message."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ase.io import write

from equishare.cli import main

COMMAND = [sys.executable, "-m", "equishare.cli", "learn"]


def message(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["learn", *map(str, arguments)])
    assert end.value.code
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_wrong_use_is_one_message(tmp_path, capsys, copper):
    write(tmp_path / "cu.xyz", copper)
    start = tmp_path / "cu.xyz"
    assert "expected a structure and a method" in message(capsys, start)
    assert "no labelling method 'xbt'" in message(capsys, start, "--label", "xbt")
    assert "expected temperatures" in message(capsys, start, "--label", "xtb", "--temperature", "hot")
    assert "expected an error of forces" in message(capsys, start, "--label", "xtb", "--accuracy", "1%")
    assert "leave out STRUCTURE" in message(capsys, start, "--resume", tmp_path)
    assert "no campaign to go on with" in message(capsys, "--resume", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cu.xyz"]


@pytest.mark.slow
def test_from_a_file_to_a_report(tmp_path, copper):
    write(tmp_path / "cu.xyz", copper)
    arguments = [
        "cu.xyz",
        "--label",
        "ase.calculators.emt:EMT",
        "--max-labels",
        "40",
        "--max-time",
        "1m",
        "--preset",
        "small",
    ]
    done = subprocess.run(
        [*COMMAND, *arguments, "--out", "run"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Ended     40 labels are used" in done.stdout
    assert "Dynamics  300 K" in done.stdout
    report = Path(tmp_path, "run", "report.html").read_text()
    assert "Errors over labels" in report
    assert "physical laws hold" in report
    assert Path(tmp_path, "run", "plots", "errors.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [4.0, 15.0])
def test_ctrl_c_keeps_what_there_is(tmp_path, copper, seconds):
    """Wherever it comes, the run ends in good order, and goes on."""
    write(tmp_path / "cu.xyz", copper)
    arguments = [
        "cu.xyz",
        "--label",
        "ase.calculators.emt:EMT",
        "--max-labels",
        "300",
        "--preset",
        "small",
        "--out",
        "run",
    ]
    running = subprocess.Popen(
        [*COMMAND, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not Path(tmp_path, "run", "learn.lock").exists():
        time.sleep(0.2)
    time.sleep(seconds)
    running.send_signal(signal.SIGINT)
    said, wrong = running.communicate()
    assert running.returncode == 130, wrong
    assert "Ended     interrupted" in said
    assert "--resume run" in said
    labels = Path(tmp_path, "run", "labels.xyz")
    before = labels.read_text() if labels.exists() else ""
    more = ["--resume", "run", "--max-labels", "40", "--max-time", "20s"]
    done = subprocess.run([*COMMAND, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert labels.read_text().startswith(before)
