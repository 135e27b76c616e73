"""Signs that an encoding lacks are written as what looks like them."""

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from equishare.terminal import plain


@given(st.text())
def test_plain_text_is_ascii_and_as_it_was_where_it_was(text):
    assert plain(text).isascii()
    assert plain(text.encode("ascii", "ignore").decode()) == text.encode("ascii", "ignore").decode()


def test_an_ascii_terminal_is_written_to(tmp_path):
    command = [sys.executable, "-m", "equishare.cli", "inspect", "ethanol@:5"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, cwd=tmp_path)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert b"RMS force, eV/A " in done.stdout


def test_utf8_is_left_alone():
    code = "from equishare.terminal import write_plainly; write_plainly(); print('Å')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"}, check=True
    )
    assert done.stdout.decode().strip() == "Å"
