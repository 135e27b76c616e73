"""The files for continuous integration that the guide shows do what it says."""

import json
import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

import equishare

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "check_in_ci.md"
MODEL = """
import torch
from torch import nn

class Head(nn.Module):
    def forward(self, h, pos):
        return h.sum(){leak}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = Head()

    def forward(self, z, pos):
        return self.head(torch.exp(-torch.cdist(pos, pos)), pos)
"""


def snippet(name):
    """The YAML block that begins with a comment naming the file."""
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.S)
    (text,) = [b for b in blocks if b.startswith(f"# {name}\n")]
    return text


@pytest.fixture(params=[False, True], ids=["sound", "broken"])
def project(request, tmp_path):
    (tmp_path / "model.py").write_text(MODEL.format(leak=" + pos[0, 0]" if request.param else ""))
    return tmp_path, request.param


def run(command, folder):
    """Run a command line that begins with `equishare`, by this Python."""
    program, *arguments = shlex.split(command)
    assert program == "equishare"
    environment = {**os.environ, "PYTHONPATH": str(Path(equishare.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "equishare.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )


def test_the_action(project):
    folder, broken = project
    steps = yaml.safe_load(snippet(".github/workflows/symmetry.yml"))["jobs"]["check"]["steps"]
    (command,) = [s["run"] for s in steps if s.get("run", "").startswith("equishare")]
    done = run(command, folder)
    assert done.returncode == int(broken), done.stderr
    (upload,) = [s for s in steps if "upload-sarif" in s.get("uses", "")]
    assert upload["if"] == "always()"
    log = json.loads((folder / upload["with"]["sarif_file"]).read_text())
    places = [r["locations"][0]["physicalLocation"] for r in log["runs"][0]["results"]]
    assert bool(places) == broken
    assert {p["artifactLocation"]["uri"] for p in places} <= {"model.py"}
    lines = (folder / "model.py").read_text().splitlines()
    assert {lines[p["region"]["startLine"] - 1].strip() for p in places} <= {"def forward(self, h, pos):"}
    assert int(ElementTree.parse(folder / "symmetry.xml").getroot().get("failures")) == len(places)
    assert ("fail" if broken else "pass") in (folder / "symmetry.svg").read_text()


@pytest.mark.slow
def test_the_hook(project):
    folder, broken = project
    (repository,) = yaml.safe_load(snippet(".pre-commit-config.yaml"))["repos"]
    (hook,) = repository["hooks"]
    assert re.match(hook["files"], "model.py")
    assert (repository["repo"], hook["language"], hook["pass_filenames"]) == ("local", "system", False)
    assert run(hook["entry"], folder).returncode == int(broken)


@pytest.mark.slow
def test_the_hook_under_pre_commit(project, monkeypatch):
    """With the real program, where it is installed."""
    pytest.importorskip("pre_commit")
    folder, broken = project
    (folder / ".pre-commit-config.yaml").write_text(snippet(".pre-commit-config.yaml"))
    (folder / "bin").mkdir()
    script = folder / "bin" / "equishare"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m equishare.cli "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(folder / "cache"))
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "add", "model.py", ".pre-commit-config.yaml"], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--all-files"], cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == int(broken), done.stdout
