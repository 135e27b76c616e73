"""Every block of code in the documentation runs, or says why it does not; every command at the prompt is one."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import click
import matplotlib
import pytest
import typer
import yaml
from code_blocks import GIVEN, PAGES, ROOT, Given, blocks, commands

from equishare.check.command import app as checker
from equishare.cli import app

NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
CODE = [name for name in NAMES if any(block.language == "python" for block in blocks(ROOT / name))]
COMMANDS = sorted({(line, name) for name in NAMES for line in commands(ROOT / name)})
KNOWN = {
    "",
    "console",
    "python",
    "text",
    "yaml",
    "json",
    "xml",
    "bash",
    "cpp",
    "c++",
    "{toctree}",
    "{include}",
    "{glossary}",
}


@pytest.fixture
def workshop(example_files, tmp_path, monkeypatch, unchecked):
    """A copy of the files, as the working folder; blocks run as a user's, without the check of signatures."""
    shutil.copytree(example_files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    return tmp_path


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if GIVEN.get(n, Given()).slow else []) for n in CODE]
)
def test_python(name, workshop):
    """The blocks of a page run one after another, as a reader types them."""
    given = GIVEN.get(name, Given())
    left = dict.fromkeys((*given.left_out, *given.shorter), False)
    names = {"__name__": "__main__"}
    exec(compile(given.before, f"{name}, before it", "exec"), names)
    for block in blocks(ROOT / name):
        if block.language != "python":
            continue
        skipped = [start for start in given.left_out if block.text.startswith(start)]
        left |= dict.fromkeys(skipped, True)
        if skipped:
            compile(block.text, name, "exec")
            continue
        text = block.text
        for long, short in given.shorter.items():
            left[long] |= long in text
            text = text.replace(long, short)
        try:
            exec(compile("\n" * block.line + text, name, "exec"), names)
        except Exception as error:
            raise AssertionError(f"{name}, block at line {block.line}: {error!r}") from error
    unused = [start for start, seen in left.items() if not seen]
    assert not unused, f"code_blocks.py names what is no longer in {name}: {unused}"


def test_pages_that_take_something_as_given_are_there():
    assert set(GIVEN) <= set(CODE)


@pytest.mark.parametrize("name", NAMES)
def test_other_languages(name):
    """They are of a language that is known here, and can be parsed."""
    for block in blocks(ROOT / name):
        assert block.language in KNOWN, f"{name}:{block.line}"
        if block.language == "yaml":
            yaml.safe_load(block.text)
        if block.language == "json":
            json.loads(block.text)
        if block.language == "xml":
            ElementTree.fromstring(f"<all>{block.text}</all>")


@pytest.mark.parametrize(("line", "name"), COMMANDS)
def test_command(line, name, workshop):
    """Each command of ours takes these options; scripts and extras that are named are there."""
    for part in re.split(r"\s*&&\s*", line):
        words = shlex.split(part)
        if words[0] == "torchrun":
            words = ["equishare", *words[words.index("equishare.cli") + 1 :]]
        if words[0] == "equishare":
            parse(words[1:])
        elif words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).exists(), f"{words[1]} in {name}"


def parse(words):
    """Raise where a command or an option is none; run nothing."""
    if not words or words[0].startswith("--"):
        return
    command = typer.main.get_command(checker if words[0] == "check" else app)
    words = words[1:] if words[0] == "check" else words
    assert isinstance(command, click.Group) or hasattr(command, "commands")
    context = command.make_context("equishare", list(words), resilient_parsing=True)
    sub_name, sub, rest = command.resolve_command(context, list(words))
    for word in rest:
        if word.endswith((".xyz", ".cif", ".py")):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    sub.make_context(sub_name, rest, parent=context)


@pytest.mark.slow
def test_the_first_quarter_of_an_hour(workshop, monkeypatch):
    """The commands of the first page, typed as they stand, with a shorter training and shorter dynamics."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shorter = {"--max-time 5m": "--epochs 1 --preset small", "--steps 2000": "--steps 20", "runs/first": "runs/fresh"}
    typed = [line for line in commands(ROOT / "docs" / "start.md") if line.startswith("equishare")]
    assert {line.split()[1] for line in typed} == {"inspect", "train", "eval", "check", "md"}
    for line in typed:
        for long, short in shorter.items():
            line = line.replace(long, short)
        done = subprocess.run(
            [sys.executable, "-m", "equishare.cli", *shlex.split(line)[1:]], capture_output=True, check=False
        )
        # a potential of one epoch may break a law, and leave what it knows; it may not fail to run
        assert done.returncode in ((0, 1) if line.split()[1] in ("check", "md") else (0,)), done.stderr.decode()
    assert (workshop / "runs" / "fresh" / "report.html").exists()
    assert (workshop / "predictions.xyz").exists()
    assert (workshop / "md" / "trajectory.xyz").exists()
