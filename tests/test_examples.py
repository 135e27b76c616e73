"""Every script of examples/ runs at its reduced size, prints its figures and saves a picture."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import matplotlib
import pytest
from matplotlib import pyplot

ROOT = Path(__file__).parent.parent
SCRIPTS = [path for path in sorted((ROOT / "examples").glob("*.py")) if "def main(" in path.read_text()]
MODULES = {"scikit-learn": "sklearn"}


def optional_modules():
    """Modules of the optional dependencies, without which an example is skipped."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = [re.match(r"[\w-]+", line)[0] for name in ("examples", "qm9", "xtb") for line in extras[name]]
    return {MODULES.get(package, package) for package in packages}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_runs_at_its_reduced_size(script, tmp_path, monkeypatch, capsys):
    matplotlib.use("Agg")
    monkeypatch.syspath_prepend(str(script.parent))
    spec = importlib.util.spec_from_file_location(script.stem, script)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, script.stem, module)
    try:
        spec.loader.exec_module(module)
        module.main(["--quick", "--out", str(tmp_path / "pictures")])
    except ModuleNotFoundError as error:
        if error.name not in optional_modules():
            raise
        pytest.skip(f"{error.name} is not installed")
    finally:
        pyplot.close("all")
    assert len(capsys.readouterr().out.splitlines()) > 2
    pictures = list((tmp_path / "pictures").iterdir())
    assert [p.suffix for p in pictures] == [".png"], f"{script.name} leaves {pictures} behind"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_is_short(script):
    assert len(script.read_text().splitlines()) <= 150
