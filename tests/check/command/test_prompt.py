import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ase.build import molecule
from typer.testing import CliRunner

from equishare.check.command.prompt import app


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    return Path(shutil.copy(Path(__file__).with_name("models_to_check.py"), tmp_path))


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
        (["{}:Good", "--as", "video"], "none of molecule"),
        (["model"], "names no object"),
        (["calculator", "{}:bad", "{}"], "not an ASE calculator"),
        (["calculator", "{}:emt", "missing.xyz"], "there is no file"),
        (["calculator", "missing.safetensors", "{}"], "there is no file"),
        (["{}:Labels"], "returned int64 [11]. Integers are compared only where their type is given"),
        (["{}:Masked", "--as", "set", "--shape", "6,4"], "the model takes x, mask, and --as set makes one input"),
        (["{}:Starred"], "does not say what its arguments are (*args); name a function"),
        (["{}:Insists"], "AssertionError: no message in {}, line 94: assert pos.shape[0] == 7"),
        (["{}:Good", "--types", "pos=positions,z=forces"], "this is the input z, typed vector per atom"),
        (["{}:Good", "--types", "pos=positions,species"], "some types by name and some by place"),
        (["{}:Good", "--types", "somewhere"], "'somewhere' is neither one of"),
        (["{}:Good", "--axis", "1"], "type --as set too"),
        (["{}:Good", "--claim", "{}:value"], "it should give a claim"),
        (["{}:Good", "--junit", "no_such_folder/j.xml"], "cannot write no_such_folder/j.xml"),
    ],
)
def test_what_cannot_run_exits_with_2_and_says_why(models, arguments, message):
    result = run(*(a.format(models) for a in arguments), *(["model"] if arguments == ["model"] else []))
    assert result.exit_code == 2
    assert message.format(models) in " ".join(result.stderr.split())


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
    again = (*("--json", "--no-dynamics", "--no-scan"), "--against", f"{models}:emt")
    same = json.loads(run("calculator", f"{models}:emt", tmp_path / "start.xyz", *again).stdout)
    assert "the other calculator" in {t["name"] for t in same["tests"]}


@pytest.mark.slow
def test_python_m(models):
    command = [sys.executable, "-m", "equishare.check", f"{models}:Good", "--as", "molecule"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_another_axis_of_a_set(models):
    arguments = ("--as", "set", "--shape", "1,12,8", "--axis", "1")
    assert run(f"{models}:Rows", *arguments).exit_code == 1
    assert run(f"{models}:SoundRows", *arguments).exit_code == 0


def test_a_check_that_tested_nothing_exits_with_1(models):
    result = run(f"{models}:gram", "--inputs", f"{models}:two_clouds", "--types", "invariant", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["verdict"] == "undecided"
    assert run(f"{models}:crooked", "--inputs", f"{models}:crooked_inputs").exit_code == 1


def test_types_by_name_and_by_place(models):
    given = ("--inputs", f"{models}:two_clouds")
    for types in ("a=vectors,b=vector", "vectors,vector"):
        result = run(f"{models}:gram", *given, "--types", types, "--output", "atoms", "--json")
        assert json.loads(result.stdout)["inputs"] == {"a": "vector per atom", "b": "vector"}
        assert result.exit_code == 0, result.stdout


def test_a_claim_from_a_file(models):
    result = run(f"{models}:gram", "--inputs", f"{models}:two_clouds", "--claim", f"{models}:claim", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["factors"] == ["rotation", "reflection"]


def test_the_output_can_be_typed(models):
    assert run(f"{models}:moves").exit_code == 1
    assert "as positions it would pass" in " ".join(run(f"{models}:moves").stdout.split())
    assert run(f"{models}:moves", "--output", "positions").exit_code == 0


def test_keywords_only(models):
    result = run(f"{models}:KeywordOnly", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["inputs"] == {"z": "scalar per atom", "pos": "positions"}


def test_files_for_continuous_integration(models, tmp_path):
    files = {kind: tmp_path / f"report.{kind}" for kind in ("junit", "sarif", "badge")}
    run(f"{models}:bad", "--as", "image", *(part for kind, path in files.items() for part in (f"--{kind}", path)))
    assert "<failure" in files["junit"].read_text()
    assert json.loads(files["sarif"].read_text())["runs"][0]["results"]
    assert "<svg" in files["badge"].read_text()


def test_quick_says_how_sure_it_is(models, monkeypatch):
    monkeypatch.setattr("equishare.check.command.prompt.QUICK", 0.0)
    result = run(f"{models}:Good", "--quick", "--json")
    assert result.exit_code == 0, result.output
    (row,) = [t for t in json.loads(result.stdout)["tests"] if not t["gradient"]]
    assert row["samples"] == 3
    assert row["confidence"] == pytest.approx(1 - 0.9**3)


def test_a_file_is_run_once_for_all_that_is_named_in_it(tmp_path):
    path = tmp_path / "counted.py"
    path.write_text(
        "import pathlib, torch\n"
        "runs = pathlib.Path(__file__).with_suffix('.txt')\n"
        "runs.write_text((runs.read_text() if runs.exists() else '') + 'x')\n"
        "def model(pos): return torch.cdist(pos, pos).sum()\n"
        "def inputs(): return (torch.randn(5, 3),)\n"
        "def claim():\n    from equishare.check import molecule\n    return molecule()\n"
    )
    found = CliRunner().invoke(app, [f"{path}:model", "--inputs", f"{path}:inputs", "--claim", f"{path}:claim"])
    assert found.exit_code == 0, found.output
    assert path.with_suffix(".txt").read_text() == "x"


def test_graph_networks_are_checked_from_their_signature_alone(tmp_path):
    path = tmp_path / "graphs.py"
    path.write_text(
        "import torch\n"
        "from torch import nn\n"
        "class Sum(nn.Module):\n"
        "    def __init__(self):\n        super().__init__(); self.f = nn.Linear(5, 3)\n"
        "    def forward(self, x, edge_index):\n"
        "        h = self.f(x)\n"
        "        return torch.zeros_like(h).index_add(0, edge_index[0], h[edge_index[1]])\n"
        "class Last(Sum):\n"
        "    def forward(self, x, edge_index):\n"
        "        h = self.f(x); out = torch.zeros_like(h); out[edge_index[0]] = h[edge_index[1]]; return out\n"
    )
    assert CliRunner().invoke(app, [f"{path}:Sum", "--as", "graph"]).exit_code == 0
    found = CliRunner().invoke(app, [f"{path}:Last", "--as", "graph"])
    assert found.exit_code == 1
    assert "edge order" in found.output
