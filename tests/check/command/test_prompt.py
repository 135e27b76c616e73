import json
import signal
import subprocess
import sys

import pytest
from ase.build import molecule
from typer.testing import CliRunner

from equishare.check.command.prompt import app

MODELS = """
import torch
from torch import nn

class Good(nn.Module):
    def forward(self, z, pos):
        return (torch.cdist(pos, pos) * z * z[:, None]).sum()

class Needy(nn.Module):
    def __init__(self, size):
        super().__init__()

def bad():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))

def pair():
    return nn.Linear(3, 3, bias=False), torch.randn(4, 3)

def strange(widget):
    return widget

def widgets():
    return (torch.ones(4, 3).cumsum(0),)

def emt():
    from ase.calculators.emt import EMT
    return EMT()

class Chatty(nn.Module):
    def forward(self, z, pos):
        print("hello")
        return torch.cdist(pos, pos).sum()

class Slow(nn.Module):
    def forward(self, z, pos):
        import time
        time.sleep(0.2)
        return torch.cdist(pos, pos).sum()

class Refusing(nn.Module):
    def forward(self, z, pos):
        if pos[0, 0] < -2.0:
            raise IndexError("index 7 is out of bounds")
        return torch.cdist(pos, pos).sum()

class Broken(nn.Module):
    def forward(self, z, pos):
        raise RuntimeError("shapes cannot be multiplied")

class Wordy(nn.Module):
    def forward(self, z, pos):
        return "energy"

value = 3
"""


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "models_to_check.py"
    path.write_text(MODELS)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_good_model_exits_with_0(models):
    result = run(f"{models}:Good", "--as", "molecule")
    assert result.exit_code == 0, result.output
    assert "PASS" in result.output


def test_a_bad_model_exits_with_1_and_reports(models, tmp_path):
    result = run(f"{models}:bad", "--as", "image", "--json", "--html", tmp_path / "r.html")
    assert result.exit_code == 1
    values = json.loads(result.stdout)
    assert values["culprit"] == "0"
    assert values["verdict"] == "fail"
    assert "Conv2d" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py:model"], "there is no file"),
        (["no.such.module:model"], "there is no module"),
        (["{}:nothing"], "it has"),
        (["{}:good"], "did you mean 'Good'"),
        (["{}:Broken"], 'raise RuntimeError("shapes cannot be multiplied")'),
        (["{}:Refusing"], "at g x, not at x"),
        (["{}:Wordy"], "returned no tensor"),
        (["{}:bad", "--as", "image", "--shape", "3,x"], "is no shape"),
        (["{}:Good", "--html", "no_such_folder/report.html"], "cannot write no_such_folder/report.html"),
        (["{}:Good", "--device", "no_such_device"], "cannot be used"),
        (["calculator", "{}:emt", "{}"], "ASE cannot read"),
        (["{}:Needy"], "needs the arguments size"),
        (["{}:strange"], "--inputs"),
        (["{}:value"], "cannot be called"),
        (["{}:Good", "--as", "graph"], "none of molecule"),
        (["model"], "names no object"),
        (["calculator", "{}:bad", "{}"], "not an ASE calculator"),
        (["calculator", "{}:emt", "missing.xyz"], "there is no file"),
        (["calculator", "missing.safetensors", "{}"], "there is no file"),
    ],
)
def test_what_cannot_run_exits_with_2_and_says_why(models, arguments, message):
    result = run(*(a.format(models) for a in arguments), *(["model"] if arguments == ["model"] else []))
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_what_a_model_prints_is_not_the_report(models):
    result = run(f"{models}:Chatty", "--json")
    assert json.loads(result.stdout)["verdict"] == "pass"
    assert "hello" in result.stderr


def test_eighty_columns_hold_every_word(models, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run(f"{models}:bad", "--as", "image")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "…" not in result.stdout
    assert "quarter turns" in result.stdout
    monkeypatch.delenv("COLUMNS")
    assert " type " in run(f"{models}:bad", "--as", "image").stdout.splitlines()[1]


def test_a_frame_can_be_named(models, tmp_path):
    atoms = molecule("C2H6")
    atoms.rattle(0.05, seed=0)
    atoms.write(tmp_path / "two.xyz")
    options = ("--json", "--no-dynamics", "--no-scan", "--samples", "1")
    assert run("calculator", f"{models}:emt", f"{tmp_path / 'two.xyz'}@0", *options).exit_code == 0
    result = run("calculator", f"{models}:emt", f"{tmp_path / 'two.xyz'}@3", *options)
    assert result.exit_code == 2
    assert "has no frame 3" in result.stderr


def test_a_saved_potential(tmp_path):
    from equishare.potential import ModelConfig, Potential, save

    config = ModelConfig(channels=4, layers=1, l_density=1, l_features=1, body_order=2)
    potential = Potential(config, {"H": -13.6, "C": -1030.0})
    save(potential, tmp_path / "model.safetensors")
    atoms = molecule("CH4")
    atoms.rattle(0.05, seed=0)
    atoms.write(tmp_path / "start.xyz")
    options = ("--json", "--no-dynamics", "--no-scan", "--samples", "1")
    result = run("calculator", tmp_path / "model.safetensors", tmp_path / "start.xyz", *options)
    assert result.exit_code == 0, result.output


@pytest.mark.slow
def test_an_interrupted_check_has_neither_passed_nor_failed(models):
    command = [sys.executable, "-m", "equishare.check", f"{models}:Slow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline().startswith("about")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err


def test_inputs_from_a_function(models):
    result = run(f"{models}:strange", "--as", "set", "--inputs", f"{models}:widgets")
    assert result.exit_code == 0, result.output + result.stderr


def test_a_calculator(models, tmp_path):
    atoms = molecule("C2H6")
    atoms.rattle(0.05, seed=0)
    atoms.write(tmp_path / "start.xyz")
    result = run("calculator", f"{models}:emt", tmp_path / "start.xyz", "--json", "--no-dynamics", "--no-scan")
    assert result.exit_code == 0, result.output
    assert "evaluation" in result.stderr
    values = json.loads(result.stdout)
    assert {t["name"] for t in values["tests"]} >= {"rotation", "permutation", "energy slope"}


@pytest.mark.slow
def test_python_m(models):
    command = [sys.executable, "-m", "equishare.check", f"{models}:Good", "--as", "molecule"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
