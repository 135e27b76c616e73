"""Every broken input, with its error; and no file runs code."""

import contextlib
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare.atoms import FrameReadError, LabelError, read_frames
from equishare.errors import EquishareError

WATER = Path(__file__).with_name("water.xyz").read_text()
FLAG = "ran.txt"


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (FLAG,)


# name -> (contents or None, source, keys, error, words of its message)
BROKEN = {
    "missing file": (None, "{file}", {}, FrameReadError, "no such file"),
    "folder": (None, "{folder}", {}, FrameReadError, "got a folder"),
    "empty file": ("", "{file}", {}, FrameReadError, "got an empty file"),
    "blank file": ("\n \n", "{file}", {}, FrameReadError, "got an empty file"),
    "no source": ("", None, {}, FrameReadError, "at least one file"),
    "truncated frame": (
        WATER + WATER[:100],
        "{file}",
        {},
        FrameReadError,
        "frame 1 .*line 6.* says 3 atoms, .* after 2",
    ),
    "truncated line": (WATER + WATER[:-12], "{file}", {}, FrameReadError, "frame 1 cannot be read"),
    "too many atoms": (
        WATER.replace("3\n", "2\n", 1) + WATER,
        "{file}",
        {},
        FrameReadError,
        "line 5 .*'H 0.0 -0.8",
    ),
    "too few atoms": (WATER.replace("3\n", "4\n", 1) + WATER, "{file}", {}, FrameReadError, "frame 0|line"),
    "blank line": (WATER + "\n" + WATER, "{file}", {}, FrameReadError, "line 6 is blank"),
    "no atoms": (WATER + "0\n\n", "{file}", {}, FrameReadError, "says 0 atoms"),
    "garbled number": (WATER.replace("0.8 ", "0.8x ", 1), "{file}", {}, FrameReadError, "0.8x"),
    "garbled header": ("hello\nworld\n", "{file}", {}, FrameReadError, "line 1 .* 'hello'"),
    "unknown symbol": (
        WATER.replace("O ", "Qq "),
        "{file}",
        {},
        FrameReadError,
        "'Qq' is not a chemical symbol",
    ),
    "binary": (b"3\n\0\0\0\xff\xfe", "{file}", {}, FrameReadError, "got binary data"),
    "not text": (
        b"3\n\xff\xfe\xff\n" + b"H 0 0 0\n" * 3,
        "{file}",
        {},
        FrameReadError,
        "text of an extended XYZ",
    ),
    "pickle named .xyz": (pickle.dumps(Bomb()), "{file}", {}, FrameReadError, "run code"),
    "bad slice": (WATER, "{file}@1;2", {}, FrameReadError, "expected a slice after '@'"),
    "slice of words": (WATER, "{file}@first", {}, FrameReadError, "expected a slice after '@'"),
    "slice of step 0": (WATER, "{file}@::0", {}, FrameReadError, "must not be zero"),
    "empty slice": (WATER, "{file}@7:9", {}, FrameReadError, "selects none of the 1 frames"),
    "wrong key": (WATER, "{file}", {"energy": "dft"}, LabelError, "no frame has 'dft'.*energy.*forces"),
    "wrong forces key": (WATER, "{file}", {"forces": "dft"}, LabelError, "no frame has 'dft'"),
    "ambiguous": (
        WATER.replace("energy=-14.2", "energy=-14.2 REF_energy=-20"),
        "{file}",
        {},
        LabelError,
        "ambiguous: found energy, REF_energy.*-14.2.*-20.*--key energy=REF_energy",
    ),
    "forces of two columns": (
        WATER.replace("forces:R:3", "forces:R:2:rest:R:1"),
        "{file}",
        {},
        LabelError,
        r"file.xyz@0: expected shape \(atoms, 3\) for the forces, got shape \(3, 2\) from 'forces'",
    ),
    "energy of words": (
        WATER.replace("-14.2", "low"),
        "{file}",
        {},
        LabelError,
        "expected one number.*'low'",
    ),
    "energy of nothing": (WATER.replace("=-14.2", ""), "{file}", {}, LabelError, "expected one number.*True"),
    "energy of three": (
        WATER.replace("energy=-14.2", 'REF_energy="1 2 3"'),
        "{file}",
        {},
        LabelError,
        r"expected one number .* got shape \(3,\)",
    ),
    "stress of four": (
        WATER.replace("energy=", 'REF_stress="1 2 3 4" energy='),
        "{file}",
        {},
        LabelError,
        r"expected shape \(3, 3\), 9 or 6",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_input(tmp_path, monkeypatch, name):
    contents, source, keys, error, message = BROKEN[name]
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file.xyz"
    if contents is not None:
        file.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    sources = [] if source is None else source.format(file=file, folder=tmp_path)
    with pytest.raises(error, match=message) as caught:
        read_frames(sources, keys)
    assert isinstance(caught.value, EquishareError)
    assert source is None or "file.xyz" in str(caught.value) or name in {"folder", "wrong key", "wrong forces key"}
    assert not (tmp_path / FLAG).exists()


@pytest.mark.parametrize("ending", ["traj", "pkl", "pckl", "db", "json", "xyz", "extxyz", "pt", "vasp", "nc", "none"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_unpickled(tmp_path, monkeypatch, ending, protocol):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"frames.{ending}"
    file.write_bytes(pickle.dumps([Bomb()], protocol=protocol))
    with pytest.raises(FrameReadError):
        read_frames(file)
    assert not (tmp_path / FLAG).exists()
    pickle.loads(file.read_bytes())
    assert (tmp_path / FLAG).exists()  # the bomb was live


def test_a_torch_checkpoint_is_refused(tmp_path):
    import torch

    torch.save({"energy": 1.0}, tmp_path / "model.xyz")
    with pytest.raises(FrameReadError, match="pickle or an archive"):
        read_frames(tmp_path / "model.xyz")


def test_a_database_url_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FrameReadError, match="no such file"):
        read_frames("postgresql://user:password@localhost/frames")


@given(st.binary(max_size=400))
@settings(max_examples=60)
def test_garbage_raises_our_error_only(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("garbage") / "garbage.xyz"
    file.write_bytes(data)
    with contextlib.suppress(EquishareError):
        read_frames(file)


@given(st.integers(0, 5 * len(WATER)), st.integers(0, 30), st.text('0123456789.-HO \n="', max_size=4))
@settings(max_examples=60)
def test_damage_to_a_good_file_raises_our_error_only(tmp_path_factory, start, length, inserted):
    text = WATER * 5
    file = tmp_path_factory.mktemp("damage") / "damage.xyz"
    file.write_text(text[:start] + inserted + text[start + length :])
    with contextlib.suppress(EquishareError):
        read_frames(file)
