"""Damage to files of every format: read, or refused with a clear error; never anything else."""

import random
import re

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from equishare.atoms import inspect, read_frames
from equishare.datasets import load
from equishare.errors import EquishareError

STRANGE = (b"nan", b"inf", b"-", b"1e999", b"99999999999", b"\n\n", b"\0", b'"', b"0", b"*****", b"-1", b"1e30")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One small file of each format."""
    folder = tmp_path_factory.mktemp("whole")
    molecules = load("ethanol")[3:6]
    crystals = []
    for n in range(3):
        atoms = bulk("NaCl", "rocksalt", 5.6 + 0.1 * n, cubic=True)
        results = {"energy": -27.0 - n, "forces": np.zeros((8, 3)), "stress": np.full(6, 0.01 * n)}
        atoms.calc = SinglePointCalculator(atoms, **results)
        crystals.append(atoms)
    for name, frames in (("a.xyz", molecules), ("b.xyz", crystals), ("a.traj", crystals), ("a.json", molecules)):
        write(folder / name, frames)
    write(folder / "a.db", molecules)
    for name in ("a.cif", "a.vasp", "a.xsf", "a.gen", "a.res"):
        write(folder / name, crystals[0])
    coordinates = np.array([a.positions for a in molecules])
    np.savez(folder / "a.npz", z=molecules[0].numbers, R=coordinates, E=np.arange(3.0), F=coordinates)
    dump = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n"
    (folder / "a.dump").write_text(
        dump + "ITEM: ATOMS id element x y z fx fy fz\n1 C 0 0 0 1 0 0\n2 O 0 0 1.2 -1 0 0\n"
    )
    row = "  O 0.0 0.0 0.1\n  H 0.0 0.8 -0.5\n"
    (folder / "w-pos-1.xyz").write_text("".join(f"2\n i = {n}, time = 0.5, E = -17.25\n{row}" for n in range(3)))
    return sorted(folder.iterdir())


def damaged(whole: bytes, rng: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        start = rng.randrange(max(1, len(data)))
        end = min(len(data), start + rng.choice([1, 2, 8, 50, 500]))
        lines = bytes(data).split(b"\n")
        kind = rng.randrange(8)
        if kind == 0:
            del data[start:end]
        elif kind == 1:
            data[start:start] = data[start:end]
        elif kind == 2:
            data[start:end] = rng.randbytes(end - start)
        elif kind == 3:
            data = data[:start]
        elif kind == 4:
            data[start:start] = rng.choice(STRANGE)
        elif kind == 5:
            lines.pop(rng.randrange(len(lines)))
            data = bytearray(b"\n".join(lines))
        elif kind == 6:
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            data = bytearray(b"\n".join(lines))
        elif numbers := list(re.finditer(rb"-?\d+\.?\d*", bytes(data))):
            first, last = rng.choice(numbers).span()
            data[first:last] = rng.choice(STRANGE)
    return bytes(data)


def attempt(files, folder, count, seed):
    rng = random.Random(seed)
    outcomes, unnamed = {"read": 0, "refused": 0}, []
    for _ in range(count):
        source = rng.choice(files)
        file = folder / source.name
        file.write_bytes(damaged(source.read_bytes(), rng))
        try:
            inspect(read_frames(file)).to_dict()
            outcomes["read"] += 1
        except EquishareError as error:
            outcomes["refused"] += 1
            unnamed += [] if source.name in str(error) else [str(error)]
    assert not unnamed
    return outcomes


@pytest.mark.filterwarnings("ignore")
def test_damage_is_read_or_refused(files, tmp_path):
    outcomes = attempt(files, tmp_path, 100, seed=0)
    assert outcomes["read"] > 10
    assert outcomes["refused"] > 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_much_damage_is_read_or_refused(files, tmp_path):
    assert sum(attempt(files, tmp_path, 500, seed=1).values()) == 500


def test_the_whole_files_are_read(files):
    for file in files:
        assert read_frames(file)
