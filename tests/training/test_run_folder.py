"""The folder of a run: one process at a time, and what is said where it cannot be written."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from equishare.training import validation
from equishare.training.config.config_file import to_yaml
from equishare.training.fit import fit
from equishare.training.run_folder import RunFolder, RunFolderError

HOLD = """
import sys, time
from equishare.training.run_folder import RunFolder
with RunFolder(__import__("pathlib").Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_folder_is_held_by_one_process_and_freed_by_its_death(holder, tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(RunFolderError, match=rf"still going on \(process {holder.pid} on "), folder.held():
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with folder.held(), pytest.raises(RunFolderError, match=f"process {os.getpid()} on"), folder.held():
        pass
    with folder.held():
        pass


def test_a_run_that_goes_on_is_not_resumed(holder, tmp_path, tiny):
    folder = RunFolder(tmp_path)
    folder.config.write_text(to_yaml(tiny()))
    folder.checkpoint.write_bytes(b"")
    with pytest.raises(RunFolderError, match="still going on"):
        fit(tiny(), resume=RunFolder.existing(tmp_path))
    assert folder.config.exists()


def test_a_full_disk_says_what_is_whole_and_how_to_go_on(tmp_path, tiny, monkeypatch):
    written = []

    def save(potential, path, about):
        if len(written) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        original(potential, path, about)

    original = validation.save
    out = tmp_path / "run"
    config = tiny(run={"out": str(out)})
    with monkeypatch.context() as patch:
        patch.setattr(validation, "save", save)
        with pytest.raises(RunFolderError, match=rf"No space left.*equishare train --resume {out}"):
            fit(config)
    resumed = fit(config, resume=RunFolder.existing(out))
    assert [row["epoch"] for row in resumed.folder.read_metrics()] == [1, 2, 3, 4]
