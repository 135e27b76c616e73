"""Structures side by side: an interrupt ends all processes, without a traceback, and none stays behind."""

import os
import signal
import subprocess
import sys
import time

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from equishare.commands.starts import read_starts, side_by_side
from equishare.errors import EquishareError
from equishare.potential import ModelConfig, Potential, save

TASKS = """
import os, time

def wait(folder, k):
    open(f"{folder}/{k}.{os.getpid()}", "w").close()
    time.sleep(600)
"""
MAIN = """
import signal, sys
import tasks
from equishare.commands.starts import side_by_side

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        list(side_by_side(tasks.wait, [(sys.argv[1], k) for k in range(3 * int(sys.argv[2]))]))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_processes(number, tmp_path):
    """Ctrl-C reaches all processes of a terminal, SIGTERM the first one only."""
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "main.py").write_text(MAIN)
    begun, cores = tmp_path / "begun", os.cpu_count() or 1
    begun.mkdir()
    command = [sys.executable, str(tmp_path / "main.py"), str(begun), str(cores)]
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    running = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}, start_new_session=True
    )
    while len(list(begun.iterdir())) < cores:
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.1)
    (os.killpg if number == signal.SIGINT else os.kill)(running.pid, number)
    _, said = running.communicate(timeout=300)
    assert running.returncode == 130
    assert said == ""
    workers = [int(file.suffix[1:]) for file in begun.iterdir()]
    assert len(workers) == cores, "others began"
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


@pytest.mark.slow
def test_a_process_that_is_killed_is_told():
    calls = [(os._exit, (9,)), (os._exit, (9,))]
    with pytest.raises(EquishareError, match="one of the processes was ended from outside"):
        list(side_by_side(_run, calls))


def _run(function, arguments):
    function(*arguments)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (Atoms("OH", [[0, 0, 0], [0, 0, np.nan]]), "starts.xyz@1: position of atom 1 is not finite"),
        (Atoms("OH", [[0, 0, 0], [0, 0, 0]]), r"starts.xyz@1: atoms 0 \(O\) and 1 \(H\) are in one place"),
        (Atoms("OSi", [[0, 0, 0], [0, 0, 2]]), "starts.xyz@1: the potential knows H, O, but the structure holds Si"),
    ],
)
def test_what_cannot_be_predicted_is_named_before_anything_runs(start, message, tmp_path):
    config = ModelConfig(channels=4, l_density=1, l_features=1, n_basis=4, n_hidden=4)
    save(Potential(config, {"H": -13.6, "O": -430.0}), tmp_path / "m.safetensors")
    ase.io.write(tmp_path / "starts.xyz", [molecule("H2O"), start], format="extxyz")
    with pytest.raises(EquishareError, match=message):
        read_starts(tmp_path / "m.safetensors", [f"{tmp_path}/starts.xyz@:"])
