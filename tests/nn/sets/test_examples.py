"""The examples of sets run, draw their picture, and show what they are there to show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(name, folder, *arguments):
    """What an example prints, and its rows as numbers: count, then each net's accuracy."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "examples" / name), "--out", str(folder / "picture.png"), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=folder)
    rows = [line for line in done.stdout.splitlines() if line.count("%") == 2 and line.split()[0].isdigit()]
    return [[float(number) for number in re.findall(r"[\d.]+(?= %)|^ *\d+", row)] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["set_anomaly.py", "point_cloud.py"])
def test_deep_sets_learn_from_few(name, tmp_path):
    rows = run(name, tmp_path, "--counts", "60", "400", "--seeds", "1")
    assert len(rows) == 2
    for (_, deep_sets, mlp), guessing in zip(rows, (20, 20), strict=True):
        assert deep_sets > mlp + 15
        assert deep_sets > 2 * guessing
    assert rows[1][1] > rows[0][1]
    assert (tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["set_anomaly.py", "point_cloud.py"])
def test_runs(name, tmp_path):
    assert len(run(name, tmp_path, "--counts", "20", "--seeds", "1", "--steps", "2")) == 1
    assert (tmp_path / "picture.png").exists()
