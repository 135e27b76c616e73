"""Imports run downward only: each floor of the package may import itself and the floors below it."""

import ast
from pathlib import Path

import pytest

import equishare

ROOT = Path(equishare.__file__).parent

ALLOWED = {
    "groups": set(),
    "sharing": {"groups"},
    "ops": set(),
    "nn": {"groups", "sharing", "ops"},
    "gallery": {"groups", "sharing", "nn"},
    "potential": {"atoms", "groups", "sharing", "ops", "nn"},
    "check": {"groups"},
    "datasets": set(),
    "atoms": {"datasets"},
    # the report of a training run holds the checker's verdict on the trained model
    "training": {"groups", "sharing", "nn", "potential", "check", "datasets", "atoms"},
    "simulate": {"groups", "sharing", "ops", "nn", "potential", "atoms"},
    "learning": {"nn", "potential", "check", "datasets", "atoms", "training", "simulate"},
    "commands": {
        "groups",
        "sharing",
        "ops",
        "nn",
        "potential",
        "check",
        "datasets",
        "atoms",
        "training",
        "simulate",
        "learning",
    },
}

# `Potential.calculator()` and the plug-in that only names a class may look upward at call time.
LATE = {("potential/potential.py", "simulate")}


def imported_packages(path: Path) -> set[str]:
    """Subpackages of equishare that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        parts = [name.split(".") for name in names if name.split(".")[0] == "equishare"]
        found |= {p[1] for p in parts if len(p) > 1 and p[1] in ALLOWED}
    return found


@pytest.mark.parametrize("floor", sorted(ALLOWED))
def test_imports_run_downward(floor):
    for path in sorted((ROOT / floor).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        upward = {p for p in imported_packages(path) - ALLOWED[floor] - {floor} if (name, p) not in LATE}
        assert not upward, f"{name} imports {sorted(upward)}; {floor} may import {sorted(ALLOWED[floor])}"


def test_no_relative_import_leaves_its_folder():
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level > 1), f"{path}: use absolute imports"


def test_the_table_names_every_package():
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")}
    assert packages == set(ALLOWED)
