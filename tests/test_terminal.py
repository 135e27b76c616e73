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


def test_a_reader_that_leaves_costs_lines_not_results(tmp_path):
    """As ``| head -1`` does: what follows is done all the same, and the exit code tells."""
    code = """
import subprocess, sys
from pathlib import Path
from equishare.terminal import outliving_reader

with outliving_reader():
    for line in range(int(sys.argv[2])):
        print(line, flush=True)
    subprocess.run(["echo", "another program"], check=True)
    Path(sys.argv[1]).write_text("whole")
    sys.exit(int(sys.argv[3]))
"""
    for lines, code_given, expected in ((100_000, 0, 1), (100_000, 3, 3), (1, 0, 0)):
        result = tmp_path / f"{lines}-{code_given}"
        command = [sys.executable, "-c", code, str(result), str(lines), str(code_given)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stdout.readline() == "0\n"
            if lines > 1:
                running.stdout.close()
            _, said = running.communicate()
        assert said == ""
        assert running.returncode == expected
        assert result.read_text() == "whole"
