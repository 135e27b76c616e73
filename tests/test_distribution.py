"""The wheel, built from the source distribution, has everything that runs: it trains and checks where nothing else of this folder is."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def tracked(folder: str = "") -> set[str]:
    """Files of the repository, as git has them."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", folder or "."], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    return set(listed.stdout.splitlines())


def run(*words: str, folder: Path, path: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path or "")}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution, and the wheel that is built from it, by the hatchling of this environment."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "hatchling", "build", "-t", "sdist", "-d", str(folder), folder=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), folder=source)
    (wheel,) = folder.glob("*.whl")
    return source, wheel


def test_the_source_has_all_files(built):
    source, _ = built
    there = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    wanted = {
        name
        for name in tracked()
        if name.split("/")[0] in ("equishare", "tests", "examples", "docs", "notebooks", "benchmarks")
    }
    assert wanted <= there
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "noxfile.py", "pyproject.toml"} <= there


def test_the_wheel_has_data_weights_and_sources(built):
    """Whatever is no Python travels too: signatures of loops, the plugin's source, data sets, templates, weights."""
    _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entries,) = (archive.read(n).decode() for n in names if n.endswith("entry_points.txt"))
    assert tracked("equishare") <= names
    assert "equishare/py.typed" in names
    assert not any(name.startswith(("tests/", "docs/", "benchmarks/")) for name in names)
    assert "equishare = equishare.cli:main" in entries
    assert "pytest11" in entries


def test_what_is_installed_runs(built, tmp_path):
    _, wheel = built
    run("-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path / "installed"), str(wheel), folder=tmp_path)
    where = run("-c", "import equishare; print(equishare.__file__)", folder=tmp_path, path=tmp_path / "installed")
    assert where.startswith(str(tmp_path))
    command = ("-m", "equishare.cli")
    for line in (
        "train ethanol@:43 --epochs 1 --preset small --out run",
        "eval run/model.safetensors ethanol_test@:5",
        "lammps --source",
    ):
        run(*command, *line.split(), folder=tmp_path, path=tmp_path / "installed")
    assert (tmp_path / "run" / "report.html").exists()
