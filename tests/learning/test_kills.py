"""Killed at random moments: no label is lost, none is made twice, and the result is that of a campaign without a kill."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from ase.io import read

SCRIPT = Path(__file__).with_name("killed.py")


def lives(folder, kills, settings):
    calls = folder.with_suffix(".calls")
    environment = {**os.environ, "EQUISHARE_TEST_CALLS": str(calls), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(folder), str(kills), "1", json.dumps(settings)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout), Counter(calls.read_text().split())


@pytest.mark.slow
def test_twenty_kills(tmp_path, quick):
    settings = {**quick, "max_labels": 52, "first": 22}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    kills, calls = lives(killed, 20, settings)
    assert kills >= 10  # it may be over before the twentieth
    _, once = lives(whole, 0, settings)
    labels, wanted = (sorted(read(each / "labels.xyz", ":"), key=lambda a: a.info["ask"]) for each in (killed, whole))
    assert [a.info["ask"] for a in labels] == [a.info["ask"] for a in wanted]
    assert all((a.positions == b.positions).all() for a, b in zip(labels, wanted, strict=True))
    assert all((a.get_forces() == b.get_forces()).all() for a, b in zip(labels, wanted, strict=True))
    assert max(once.values()) == 1
    # a structure that was under way when its process was killed is all that may be computed again
    assert set(calls) == set(once)
    assert sum(calls.values()) - len(calls) <= kills
    last = sorted((killed / "rounds").iterdir())[-1].name
    records = [json.loads((each / "rounds" / last / "round.json").read_text()) for each in (killed, whole)]
    assert records[0]["held_out"] == records[1]["held_out"]
    assert records[0]["labels"] == 52
