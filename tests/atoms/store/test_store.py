"""Frames of a store say what frames of the files say; a conversion that was stopped goes on; what is broken is named."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.io import read, write

from equishare.atoms import FrameReadError, LabelError, inspect, read_frames, split_frames
from equishare.atoms.store import FrameStore, StoreError, convert, open_frames, opening, writing
from equishare.atoms.store.opening import memory_needed, memory_there_is, store_folder, stored
from equishare.datasets import load


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(writing, "PIECE", 7)


@pytest.fixture
def mixed(tmp_path):
    """A file with molecules, crystals with stress, isolated atoms, weights, kinds and forces that are not numbers."""
    images = [*load("ethanol")[:9], *load("dry_ice")[:9], *load("ions")[:9]]
    for number, atoms in enumerate(images):
        atoms.info["config_weight"] = 1.0 + number % 2
        atoms.info["config_type"] = f"kind{number % 3}"
    images[5].calc.results["forces"][2] = np.nan
    write(tmp_path / "mixed.xyz", images)
    return str(tmp_path / "mixed.xyz")


def same(first, second):
    assert (first.name, first.weight, first.config_type) == (second.name, second.weight, second.config_type)
    assert (first.conditions, first.keys, first.remarks) == (second.conditions, second.keys, second.remarks)
    assert (first.not_finite, first.columns, first.n_atoms) == (second.not_finite, second.columns, second.n_atoms)
    assert first.atoms == second.atoms
    assert set(first.labels) == set(second.labels)
    for name, value in first.labels.items():
        assert type(value) is type(second.labels[name])
        np.testing.assert_array_equal(value, second.labels[name])


def test_a_stored_frame_says_what_the_file_says(mixed, tmp_path, small_pieces):
    convert([mixed], {}, tmp_path / "frames")
    frames, again = read_frames(mixed), FrameStore(tmp_path / "frames").frames()
    assert len(frames) == len(again)
    for first, second in zip(frames, again, strict=True):
        same(first, second)
        first.neighbours(6.0)
        for cutoff in (3.0, 5.0, 6.0, 7.0):
            for ours, theirs in zip(first.neighbours(cutoff), second.neighbours(cutoff), strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert again[3].label("dipole") is not None
    assert again[3].label("stress") is None
    assert again[3].weighing(4.0).weight == 4.0


def test_checks_and_splits_are_the_same(tmp_path):
    convert(["ethanol@:120"], {}, tmp_path / "frames")
    frames, again = read_frames("ethanol@:120"), FrameStore(tmp_path / "frames").frames()
    first, second = (split_frames(part, 0.1, 0.1, generator=np.random.default_rng(0)) for part in (frames, again))
    for part in ("train", "valid", "test"):
        assert [frame.index for frame in getattr(first, part)] == [frame.index for frame in getattr(second, part)]
    ours, theirs = inspect(first.train, first.valid), inspect(second.train, second.valid)
    assert ours.findings == theirs.findings
    assert ours.summary["parts"]["train"]["labels"] == theirs.summary["parts"]["train"]["labels"]


@pytest.mark.parametrize("part", ["@3:20", "@::3", "@5:25:4", "@-6:", "@:-3"])
def test_slices(mixed, tmp_path, part):
    convert([mixed + part, mixed], {}, tmp_path / "frames")
    frames, again = read_frames([mixed + part, mixed]), FrameStore(tmp_path / "frames").frames()
    assert [frame.index for frame in frames] == [frame.index for frame in again]


def test_other_formats(tmp_path):
    write(tmp_path / "some.traj", load("ethanol")[:5])
    convert([str(tmp_path / "some.traj")], {}, tmp_path / "frames")
    for first, second in zip(
        read_frames(tmp_path / "some.traj"), FrameStore(tmp_path / "frames").frames(), strict=True
    ):
        same(first, second)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", [7, 14, 21])
def test_a_conversion_that_was_stopped_goes_on(mixed, tmp_path, small_pieces, monkeypatch, after):
    """In the middle of the first file, or of the second; rows beyond the last whole piece are written again."""
    sources, keys = [f"{mixed}@:10", mixed], {"energy": "energy"}
    convert(sources, keys, tmp_path / "whole")

    def stop(count):
        if count >= after:
            raise StoppedError

    with pytest.raises(StoppedError):
        convert(sources, keys, tmp_path / "frames", stop)
    with pytest.raises(StoreError, match="was stopped; convert its files again"):
        FrameStore(tmp_path / "frames")
    with (tmp_path / "frames" / "positions.npy").open("ab") as stream:
        stream.write(b"what a kill left behind")
    with (tmp_path / "frames" / "kinds.jsonl").open("a") as stream:
        stream.write('{"file": "cut sho')
    seen = []
    convert(sources, keys, tmp_path / "frames", seen.append)
    assert min(seen) > after
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "frames" / path.name).read_bytes(), path.name


CONVERT = """
import sys, time
from pathlib import Path
from equishare.atoms.store import convert, writing
writing.PIECE = 20
convert([sys.argv[1]], {}, Path(sys.argv[2]), lambda count: (print(count, flush=True), time.sleep(0.05)))
"""


def test_a_kill_loses_nothing(tmp_path):
    command = [sys.executable, "-c", CONVERT, "ethanol@:300", str(tmp_path / "frames")]
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(0.12)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    done = json.loads((tmp_path / "frames" / "store.json").read_text())
    assert 40 <= done["frames"] < 300
    convert(["ethanol@:300"], {}, tmp_path / "frames")
    convert(["ethanol@:300"], {}, tmp_path / "whole")
    again, whole = (FrameStore(tmp_path / name) for name in ("frames", "whole"))
    for first, second in zip(whole.frames(), again.frames(), strict=True):
        same(first, second)


def test_errors_of_files_are_those_of_reading(mixed, tmp_path):
    with pytest.raises(
        LabelError, match=r"no frame has 'REF', the name given for the energy; the frames have: .*forces"
    ):
        convert(["ethanol_test@:20"], {"energy": "REF"}, tmp_path / "frames")
    with pytest.raises(FrameReadError, match="no such file"):
        convert([str(tmp_path / "absent.xyz")], {}, tmp_path / "absent")
    text = (tmp_path / "mixed.xyz").read_text()
    (tmp_path / "cut.xyz").write_text(text[:-200])
    with pytest.raises(FrameReadError, match="cut short"):
        convert([str(tmp_path / "cut.xyz")], {}, tmp_path / "cut")
    with pytest.raises(FrameReadError, match="forward only"):
        convert([f"{mixed}@::-1"], {}, tmp_path / "back")
    with pytest.raises(FrameReadError, match="selects no"):
        convert([f"{mixed}@90:"], {}, tmp_path / "none")


def broken(folder, what):
    header = json.loads((folder / "store.json").read_text())
    if what == "short":
        os.truncate(folder / "positions.npy", 300)
    elif what == "absent":
        (folder / "label_energy.npy").unlink()
    elif what == "garbled":
        (folder / "senders.npy").write_bytes(b"no numbers" * 100)
    elif what == "kinds":
        (folder / "kinds.jsonl").write_text("{}\n")
    elif what == "older":
        (folder / "store.json").write_text(json.dumps(header | {"format": "equishare-frames-0"}))
    elif what == "header":
        (folder / "store.json").write_text("{")
    elif what == "fields":
        (folder / "store.json").write_text('{"format": "equishare-frames-2", "atoms": 3}')
    elif what == "label":
        (folder / "store.json").write_text(json.dumps(header | {"labels": ["../energy"]}))


@pytest.mark.parametrize("what", ["short", "absent", "garbled", "kinds", "older", "header", "fields", "label"])
def test_a_broken_store_says_so(tmp_path, what):
    convert(["ethanol@:9"], {}, tmp_path / "frames")
    broken(tmp_path / "frames", what)
    with pytest.raises(StoreError, match=r"frames.*remove") as caught:
        FrameStore(tmp_path / "frames")
    assert ("another version" in str(caught.value)) == (what == "older")


def test_frames_that_fit_are_read_into_memory(mixed, monkeypatch, tmp_path):
    assert memory_needed([mixed, f"{mixed}@:3"]) == opening.PER_BYTE * os.path.getsize(mixed)
    assert 1e8 < memory_there_is() < 1e15
    assert all("store" not in vars(frame) for frame in open_frames([mixed], {}))
    assert not list(tmp_path.glob("*.frames"))


def test_frames_that_do_not_fit_are_converted_once(mixed, monkeypatch, tmp_path):
    monkeypatch.setattr(opening, "memory_there_is", lambda: 1000.0)
    told = []
    frames = open_frames([mixed], {}, tell=lambda folder, count: told.append((folder, count)))
    assert told == [(str(store_folder([mixed], {})), len(frames))]
    assert [frame.index for frame in open_frames([mixed], {}, tell=lambda *_: told.append(None))] == list(range(27))
    assert len(told) == 1
    write(mixed, read(mixed, ":")[:5])  # the file has changed
    assert len(open_frames([mixed], {})) == 5
    assert store_folder([mixed], {"energy": "E"}) != store_folder([mixed], {})


def test_a_folder_that_cannot_be_written(mixed, monkeypatch, tmp_path):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert store_folder([mixed], {}).parent == tmp_path / "work"
    assert len(stored([mixed], {})) == 27
