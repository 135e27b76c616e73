"""Every example with a reduced size runs at it, prints its figures and saves its picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if '"--quick"' in path.read_text())
LONGEST = 150  # lines


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name, tmp_path):
    # the copy of the package beside the examples; one thread, since several tests may run at once
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--quick", "--out", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    assert any(character.isdigit() for character in run.stdout)
    assert "nan" not in run.stdout.lower().split()
    assert (tmp_path / f"{name}.png").stat().st_size > 1000


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_example_is_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST
