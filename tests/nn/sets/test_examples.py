"""The examples of sets run, draw their picture, and show what they are there to show."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run an example; its rows as numbers: how many sets, then each net's accuracy."""

    def call(name, *arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, "--out", "picture.png", "--seeds", "1", *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        rows = [line for line in capsys.readouterr().out.splitlines() if re.match(r" *\d+ .*%.*%", line)]
        assert (tmp_path / "picture.png").stat().st_size > 10_000
        return [[float(number) for number in re.findall(r"[\d.]+(?= %)|^ *\d+", row)] for row in rows]

    return call


@pytest.mark.parametrize("name", ["set_anomaly.py", "point_cloud.py"])
def test_runs(name, run):
    assert [row[0] for row in run(name, "--counts", "20", "40", "--steps", "2")] == [20, 40]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "guessing"), [("set_anomaly.py", 13), ("point_cloud.py", 17)])
def test_deep_sets_learn_from_few(name, guessing, run):
    few, more = run(name, "--counts", "60", "400", "--steps", "300")
    for _, deep_sets, mlp in (few, more):
        assert deep_sets > mlp + 15
        assert deep_sets > 2 * guessing
    assert more[1] > few[1]
