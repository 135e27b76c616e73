"""Broken files of every kind: each is read, or refused with an error of this package; nothing else, and no memory to speak of."""

import json
import random
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.io import write

from equishare.atoms import inspect, read_frames
from equishare.atoms.reading import read_structures
from equishare.errors import EquishareError
from equishare.potential import ModelConfig, Potential, load, save
from equishare.training.config.config_file import read_yaml, to_yaml, validate
from equishare.training.config.sections import TrainConfig

TOKENS = [
    *(
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"-1",
        b"0",
        b"1" * 400,
        b"\x00",
        b"\xff\xfe",
        "é".encode(),
        b"'",
        b'"',
        b"\\",
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b":",
        b"- ",
        b"\n",
        b"\n\n",
        b" ",
        b"\t",
        b"T",
        b"null",
        b"Lattice=",
        b"Properties=",
        b"&a *a",
        b"!!",
    ),
]
VALUES = [10**9, 10**400, -1, 0, 1e308, float("nan"), "", "H", [], {}, None, True, [[]], "x" * 10_000]
MEMORY = 256 * 2**20


def damaged(rng: random.Random, data: bytes) -> bytes:
    """A file with one to four wounds."""
    for _ in range(rng.randint(1, 4)):
        a, b = sorted((rng.randrange(len(data) + 1), min(len(data), rng.randrange(len(data) + 1))))
        b = min(b, a + rng.choice((1, 4, 40, 400)))
        wound = rng.randrange(5)
        if wound == 0:
            data = data[:a] + rng.choice(TOKENS) + data[b:]
        elif wound == 1:
            data = data[:a] + rng.choice(TOKENS) + data[a:]
        elif wound == 2:
            data = data[:a] + data[b:]
        elif wound == 3:
            data = data[:b] + data[a:]
        else:
            data = data[:a] + bytes(rng.randrange(256) for _ in range(b - a)) + data[b:]
    return data or b"\n"


def altered(rng: random.Random, tree: Any) -> Any:
    """JSON with one place changed, removed or made deep."""
    if isinstance(tree, dict | list) and tree and rng.random() < 0.85:
        key = rng.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        out = tree.copy()
        if rng.random() < 0.1:
            del out[key]
        else:
            out[key] = altered(rng, tree[key])
        return out
    value = rng.choice([*VALUES, "deep"])
    if value == "deep":
        value = []
        for _ in range(rng.choice((20, 900))):
            value = [value]
    return value


def of_safetensors(rng: random.Random, data: bytes) -> bytes:
    """A model file whose shapes, or whose own header, are altered."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    own = json.loads(header["__metadata__"]["equishare"])
    if rng.random() < 0.3:
        names = [name for name in header if name != "__metadata__"]
        name = rng.choice(names)
        header[name] = altered(rng, header[name])
    else:
        header["__metadata__"]["equishare"] = json.dumps(altered(rng, own))
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def outcome(read: Any, path: Path) -> str:
    """What became of a file; anything but a clear error is raised."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found, said = "read", "nothing"
    try:
        read(path)
    except EquishareError as error:
        found, said = "refused", str(error).strip()
    assert said, "an error that says nothing"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY
    return found


def read_table(path: Path) -> None:
    inspect(read_frames(path))


def read_model(path: Path) -> None:
    load(path).predict([molecule("H2O")])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A sound file of each kind, and how it is read."""
    folder = tmp_path_factory.mktemp("sound")
    rng, frames = np.random.default_rng(0), []
    for k in range(4):
        atoms = molecule("CH3CH2OH")
        atoms.info |= {"REF_energy": -155.0 + 0.1 * k, "config_type": "gas", "charge": 0}
        atoms.arrays["REF_forces"] = rng.normal(size=(len(atoms), 3))
        atoms.positions += 0.05 * rng.normal(size=(len(atoms), 3))
        atoms.set_cell([9.0, 9.0, 9.0])
        atoms.pbc = k % 2 == 0
        frames.append(atoms)
    write(folder / "frames.xyz", frames, format="extxyz")
    for name in ("POSCAR", "frames.cif", "frames.traj", "frames.json", "frames.pdb"):
        write(folder / name, frames[0])
    (folder / "settings.yaml").write_text(to_yaml(TrainConfig()))
    with torch.random.fork_rng():
        shape = ModelConfig(channels=4, l_density=1, l_features=1, n_basis=4, n_hidden=4)
        save(Potential(shape, {"H": -13.6, "O": -430.0}), folder / "model.safetensors", {"trained_on": ["a.xyz"]})
    return folder


KINDS = {
    "frames.xyz": (read_table, damaged),
    **dict.fromkeys(("POSCAR", "frames.cif", "frames.traj", "frames.json", "frames.pdb"), (read_structures, damaged)),
    "settings.yaml": (lambda path: validate(read_yaml(path)), damaged),
    "model.safetensors": (read_model, damaged),
    "model header": (read_model, of_safetensors),
}


def run(files: Path, kind: str, seeds: range, folder: Path) -> dict[str, int]:
    read, damage = KINDS[kind]
    name = "model.safetensors" if kind == "model header" else kind
    sound, counts = (files / name).read_bytes(), {"read": 0, "refused": 0}
    assert outcome(read, files / name) == "read"
    for seed in seeds:
        path = folder / name
        path.write_bytes(damage(random.Random(seed), sound))
        try:
            counts[outcome(read, path)] += 1
        except Exception as error:
            raise AssertionError(f"{kind} with seed {seed}: {type(error).__name__}: {error}") from error
    return counts


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_broken_file_is_read_or_refused_with_a_clear_error(kind, files, tmp_path):
    assert run(files, kind, range(40), tmp_path)["refused"] > 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", list(KINDS))
def test_thousands_of_broken_files(kind, files, tmp_path, record_property):
    counts = run(files, kind, range(40, 2_000), tmp_path)
    record_property("counts", counts)
    assert counts["refused"] > 200
