"""A file appears whole or not at all."""

import errno
import os

import pytest

from equishare.files import check_writable, replacing, write_text


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
