"""Processes end with the one that started them."""

import os
import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import getpid

from equishare.parent import end_with_parent

if __name__ == "__main__":
    with ProcessPoolExecutor(1, get_context("spawn"), end_with_parent) as pool:
        print(pool.submit(getpid).result(), flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_process_of_a_pool_ends_when_its_parent_is_killed(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        os.kill(child, 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 60
        while is_running(child):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether there is a process that has not ended; one that nobody waited for has."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(found.strip()) and not found.startswith("Z")
