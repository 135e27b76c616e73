"""Parts of the gate, each in an environment of its own: ``nox -l`` lists them, ``.ci/run`` is all of them at once."""

import re
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
TORCHES = ["2.7.0", "2.13.0"]  # the oldest and the newest that pyproject.toml allows

TWO_PROCESSES = ("-n", "2", "--dist", "loadfile")  # a file stays in one process: what its tests share is made once

nox.options.sessions = ["lint", "types", "docs"]


@nox.session(python=PYTHONS)
@nox.parametrize("torch", TORCHES)
def tests(session: nox.Session, torch: str) -> None:
    """The tests, on a release of torch: ``nox -s "tests-3.11(torch='2.7.0')" -- tests/nn``."""
    session.install(f"torch=={torch}", "-e", ".[test]")
    session.run("pytest", *TWO_PROCESSES, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format and lint."""
    session.install("ruff>=0.12")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install("-e", ".[test]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The site, into docs/_build; every warning is an error."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-q", "-W", "docs", "docs/_build")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the sdist, from it the wheel, install that alone, and train with it outside of this folder."""
    session.install("build")
    session.run("python", "-m", "build", "--outdir", "dist")
    session.install("--no-index", "--no-deps", "--find-links", "dist", "equishare")
    session.install("--find-links", "dist", "equishare")
    session.chdir(session.create_tmp())
    session.run("equishare", "train", "--epochs", "1", "--preset", "small", "--out", "run")
    session.run("equishare", "check", "calculator", "run/model.safetensors", "ethanol_test")


@nox.session
def coverage(session: nox.Session) -> None:
    """Lines that the quick tests reach; the floor stands in pyproject.toml."""
    session.install("-e", ".[test]")
    session.run("pytest", *TWO_PROCESSES, "--cov=equishare", "--cov-report=term:skip-covered", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Known weaknesses of what an installation brings; a package that the database does not know is a failure, not a pass."""
    session.install("pip-audit", ".")
    frozen = session.run("pip", "freeze", "--exclude", "equishare", silent=True)
    listed = Path(session.create_tmp()) / "requirements.txt"
    listed.write_text(re.sub(r"\+\w+$", "", frozen, flags=re.MULTILINE))  # torch's CPU build has torch's weaknesses
    session.run("pip-audit", "--strict", "--no-deps", "--disable-pip", "--requirement", str(listed))
