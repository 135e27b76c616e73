"""The reference names every public name, and whatever the documentation imports."""

import ast
import importlib
import json
import pkgutil
import re
import runpy

import pytest
from code_blocks import PAGES, ROOT, blocks

import equishare

CONF = runpy.run_path(str(ROOT / "docs" / "conf.py"))
ENTRIES = set(
    re.findall(r"^\.\. (?:auto\w+|py:data):: equishare\.(\S+\.\S+)$", "\n".join(CONF["pages"]().values()), re.M)
)
# what no user imports: the loops below the layers, and the prompt
INSIDE = {
    "cli", "clock", "commands", "continuing", "devices", "files", "folders", "lazy", "narrow", "ops", "parent", "renamed", "terminal"
}  # fmt: skip


def home(name: str) -> set[str]:
    """The entries of a name: one that is passed on is documented at home."""
    package, member = name.rsplit(".", 1)
    value = getattr(importlib.import_module(f"equishare.{package}"), member)
    return {e for e in ENTRIES if e.rsplit(".", 1)[1] == member and value is _value(e)}


def _value(entry: str) -> object:
    package, member = entry.rsplit(".", 1)
    return getattr(importlib.import_module(f"equishare.{package}"), member, None)


def test_every_package_has_a_page():
    packages = {m.name for m in pkgutil.iter_modules(equishare.__path__) if not m.name.startswith("_")}
    loose = {module for module in CONF["MODULES"] if "." not in module}
    assert packages - INSIDE == set(CONF["PACKAGES"]) | loose
    listed = (ROOT / "docs" / "index.md").read_text()
    assert all(f"reference/{name}\n" in listed for name in CONF["pages"]())


@pytest.mark.parametrize("package", CONF["PACKAGES"])
def test_every_public_name_has_an_entry(package):
    module = importlib.import_module(f"equishare.{package}")
    missing = [name for name in module.__all__ if not home(f"{package}.{name}")]
    assert not missing


def imported() -> list[tuple[str, str]]:
    """(place, name) of each name that a block of code or a notebook imports from the package."""
    texts = [(p.relative_to(ROOT).as_posix(), b.text) for p in PAGES for b in blocks(p) if b.language == "python"]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        lines = [line for c in cells if c["cell_type"] == "code" for line in c["source"] if line[:1] not in "%!"]
        texts.append((path.name, "".join(line.rstrip("\n") + "\n" for line in lines)))
    found = set()
    for place, text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("equishare."):
                found |= {(place, f"{node.module.removeprefix('equishare.')}.{a.name}") for a in node.names}
    return sorted(found)


@pytest.mark.parametrize(("place", "name"), imported())
def test_what_the_documentation_imports_is_in_the_reference(place, name):
    assert home(name), f"{place} imports {name}, which the reference does not name"
