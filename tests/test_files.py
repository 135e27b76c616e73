"""A file appears whole or not at all."""

import errno
import os

import pytest

from equishare.errors import EquishareError
from equishare.files import check_writable, new_folder, replacing, write_text


def test_a_block_that_raises_leaves_the_old_file_and_nothing_beside(tmp_path):
    path = tmp_path / "report.txt"
    write_text(path, "old")

    def interrupted():
        with replacing(path) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_ends_replaces_the_file(tmp_path):
    path = tmp_path / "report.txt"
    write_text(path, "old")
    write_text(str(path), "neu: Å")
    assert path.read_text(encoding="utf-8") == "neu: Å"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        write_text(tmp_path / "missing" / "report.txt", "")


def test_a_check_before_long_work_names_the_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "report.txt"
    check_writable(path)
    assert not list(tmp_path.iterdir())
    path.write_text("old")
    check_writable(path)
    assert path.read_text() == "old"
    with pytest.raises(FileNotFoundError, match=r"cannot write .*missing.report.txt: No such file.*; name another"):
        check_writable(tmp_path / "missing" / "report.txt")
    with pytest.raises(IsADirectoryError, match="cannot write"):
        check_writable(tmp_path)


def test_a_full_disk_names_the_file(tmp_path):
    path = tmp_path / "report.txt"

    def full():
        with replacing(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"report\.txt"):
        full()
    assert not list(tmp_path.iterdir())


def test_a_new_folder_is_there_only_with_something_in_it(tmp_path):
    out = tmp_path / "a" / "out"

    def interrupted():
        with new_folder(out):
            assert out.is_dir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert not out.exists()
    with new_folder(out) as folder:
        write_text(folder / "result.txt", "mine")
    assert (out / "result.txt").read_text() == "mine"
    with pytest.raises(EquishareError, match=r"out holds something already; name another folder"), new_folder(out):
        pass
    assert (out / "result.txt").read_text() == "mine"
    with pytest.raises(OSError, match=r"cannot write the folder .*: .*; name another"), new_folder(out / "result.txt"):
        pass
