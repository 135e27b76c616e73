"""Reading frames: keys, slices, several files, and every broken input with its error."""

import contextlib
import gzip
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from equishare.atoms import PROPERTIES, Frame, FrameReadError, LabelError, inspect, read_frames, split_isolated
from equishare.atoms.labels import read_labels
from equishare.datasets import path
from equishare.errors import EquishareError

WATER = """3
Properties=species:S:1:pos:R:3:forces:R:3 energy=-14.2 pbc="F F F"
O 0.0 0.0 0.1 0.1 0.0 0.0
H 0.0 0.8 -0.5 0.0 0.0 0.0
H 0.0 -0.8 -0.5 -0.1 0.0 0.0
"""


@pytest.fixture
def water(tmp_path):
    file = tmp_path / "water.xyz"
    file.write_text(WATER * 5)
    return file


def test_frames_know_where_they_come_from(water):
    frames = read_frames(water)
    assert [f.name for f in frames] == [f"water.xyz@{n}" for n in range(5)]
    assert frames[0].energy == -14.2
    np.testing.assert_array_equal(frames[0].forces[:, 0], [0.1, 0.0, -0.1])
    assert frames[0].stress is None
    assert frames[0].label("dipole") is None
    assert frames[0].atoms.calc is None


@pytest.mark.parametrize("text", [":2", "1:", "::2", "-2:", "-1", "0", "2", "3:1:-1", ":-1", "+1"])
def test_slices_are_those_of_python(water, text):
    numbers = list(range(5))
    part = numbers[slice(*(int(t) if t else None for t in text.split(":")))] if ":" in text else [numbers[int(text)]]
    assert [f.index for f in read_frames(f"{water}@{text}")] == part


def test_a_file_whose_name_has_an_at_sign(tmp_path):
    file = tmp_path / "run@300.xyz"
    file.write_text(WATER * 2)
    assert len(read_frames(file)) == 2
    assert len(read_frames(f"{file}@:1")) == 1


def test_a_slice_before_a_break_is_read(tmp_path):
    file = tmp_path / "cut.xyz"
    file.write_text(WATER * 2 + WATER[:100])
    assert len(read_frames(f"{file}@:2")) == 2


def test_several_files_and_formats(water, tmp_path):
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.ones((3, 3)), dipole=np.ones(3))
    write(tmp_path / "a.traj", [atoms, atoms])
    write(tmp_path / "a.json", atoms)
    with gzip.open(tmp_path / "b.xyz.gz", "wt") as stream:
        stream.write(WATER)
    frames = read_frames([water, tmp_path / "a.traj", f"{tmp_path}/a.json", tmp_path / "b.xyz.gz"])
    assert len(frames) == 9
    assert [f.energy for f in frames[4:]] == [-14.2, -1.0, -1.0, -1.0, -14.2]
    assert frames[5].label("dipole").tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("energy", "forces"),
    [
        ("energy", "forces"),
        ("REF_energy", "REF_forces"),
        ("dft_energy", "DFT_forces"),
        ("TotEnergy", "force"),
        ("free_energy", "force"),
        ("U", "forces"),
        ("E", "f"),
        ("energy_dft", "forces_ref"),
    ],
)
def test_the_usual_keys_are_found(tmp_path, energy, forces):
    file = tmp_path / "keys.xyz"
    file.write_text(WATER.replace("energy", energy).replace("forces", forces))
    (frame,) = read_frames(file)
    assert frame.energy == -14.2
    assert frame.forces.shape == (3, 3)


def test_the_free_energy_belongs_to_the_forces(tmp_path):
    """Smearing parts the energy from the free energy, whose derivative the forces are; what is far from it is something else."""
    file = tmp_path / "both.xyz"
    file.write_text(WATER.replace("energy=-14.2", "energy=-14.2 free_energy=-14.25 U=3"))
    (frame,) = read_frames(file)
    assert (frame.energy, frame.keys["energy"]) == (-14.25, "free_energy")
    (remark,) = frame.remarks
    assert remark.text == "energy and free_energy differ: free_energy is taken, whose derivative the forces are"
    assert read_frames(file, {"energy": "energy"})[0].energy == -14.2
    assert read_frames(file, {"energy": "U"})[0].energy == 3.0
    file.write_text(WATER.replace("energy=-14.2", "energy=-14.2 free_energy=-15"))
    with pytest.raises(LabelError, match=r"ambiguous.*--key energy=free_energy"):
        read_frames(file)


def test_keys_are_found_in_each_frame(tmp_path):
    file = tmp_path / "two.xyz"
    file.write_text(WATER.replace("energy", "REF_energy") + WATER)
    assert [(f.energy, f.keys["energy"]) for f in read_frames(file)] == [(-14.2, "REF_energy"), (-14.2, "energy")]
    atom = "1\nProperties=species:S:1:pos:R:3 energy=-13.6\nH 0 0 0\n"
    file.write_text(WATER.replace("energy", "REF_energy") + WATER + atom)
    frames = read_frames(file, {"energy": "REF_energy"})
    assert [f.energy for f in frames] == [-14.2, None, -13.6]
    assert "without 'REF_energy', the name given for the energy: it is read from 'energy'" in frames[2].remarks[0].text


def test_one_name_with_two_values_is_asked_about(tmp_path):
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.ones((3, 3)))
    atoms.info["energy"] = -1.0
    write(tmp_path / "a.traj", atoms)
    assert read_frames(tmp_path / "a.traj")[0].energy == -1.0
    atoms.info["energy"] = -2.0
    write(tmp_path / "a.traj", atoms)
    with pytest.raises(LabelError, match="'energy' stands in two places"):
        read_frames(tmp_path / "a.traj")
    del atoms.info["energy"]
    atoms.arrays["forces"] = np.zeros((3, 3))
    with pytest.raises(LabelError, match="'forces' stands in two places"):
        read_labels([atoms], ["frame"], {})


VALUES = [
    None, True, -1, 1.5, np.nan, np.inf, "x", "1.0", "", [1, 2], [], np.zeros(0), np.zeros(3), np.zeros((3, 3)), np.ones(6), np.array("a"),
    {"a": 1}, 1 + 2j, np.array([None] * 3), np.full((3, 3), np.nan), 10**400, np.float32(1.0), b"bytes", len, np.ones((3, 3), dtype=bool), 1e300,
]  # fmt: skip
KEYS = [key for row in PROPERTIES.values() for key in (*row.keys, *row.rare_keys)] + [
    "REF_energy",
    "weight",
    5,
    "FORCES",
]


@given(
    info=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=5),
    results=st.dictionaries(st.sampled_from([str(key) for key in KEYS]), st.sampled_from(VALUES), max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_whatever_stands_under_a_key_is_a_label_or_a_clear_error(info, results):
    atoms = molecule("H2O")
    atoms.info = info
    atoms.calc = SinglePointCalculator(atoms)
    atoms.calc.results = results
    with contextlib.suppress(EquishareError):
        (said,) = read_labels([atoms], ["frame"], {})
        inspect([Frame(atoms, **said)] * 2).to_dict()


def test_a_column_of_atoms_is_no_label_of_the_structure(tmp_path):
    file = tmp_path / "column.xyz"
    file.write_text(
        WATER.replace("forces:R:3 energy", "forces:R:3:energy:R:1 REF_energy").replace(" 0.0\n", " 0.0 5.0\n")
    )
    assert read_frames(file)[0].energy == -14.2
    with pytest.raises(LabelError, match=r"expected one number for the energy, got shape \(3,\) from 'energy'"):
        read_frames(file, {"energy": "energy"})


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("charge=1 spin=2", {"charge": 1, "spin": 2}),
        ("total_charge=-1.0 multiplicity=1 method=PBE", {"charge": -1, "spin": 1, "method": "PBE"}),
        ("charge=nan", {}),
    ],
)
def test_conditions_are_read_by_the_table(tmp_path, text, conditions):
    file = tmp_path / "charged.xyz"
    file.write_text(WATER.replace("energy=", f"{text} energy="))
    assert read_frames(file)[0].conditions == conditions


@pytest.mark.parametrize("text", ["charge=0.5", "spin=0", "charge=none", 'mulliken_charges="1 2"'])
def test_what_nobody_asked_for_is_left_out_with_a_remark(tmp_path, text):
    file = tmp_path / "charged.xyz"
    file.write_text(WATER.replace("energy=", f"{text} energy="))
    (frame,) = read_frames(file)
    assert frame.conditions == {}
    (remark,) = frame.remarks
    key = text.partition("=")[0]
    assert "left out: expected" in remark.text
    assert repr(key) in remark.text
    with pytest.raises(LabelError, match="expected"):
        read_frames(file, {{"mulliken_charges": "charges"}.get(key, key): key})


def test_a_frame_takes_names_of_the_table():
    frame = Frame(molecule("H2O"), {"energy": -1.0}, {"charge": 1}, forces=np.zeros((3, 3)), spin=2)
    assert (frame.label("energy"), frame.label("forces").shape, frame.label("dipole")) == (-1.0, (3, 3), None)
    assert frame.conditions == {"charge": 1, "spin": 2}
    assert replace(frame, energy=None, charge=0).labels.keys() == {"forces"}
    assert replace(frame, index=3).conditions == {"charge": 1, "spin": 2}
    with pytest.raises(LabelError, match="got 'enrgy'"):
        Frame(molecule("H2O"), enrgy=-1.0)
    with pytest.raises(LabelError, match=r"expected shape \(atoms, 3\) for the forces, got shape \(2, 3\)"):
        Frame(molecule("H2O"), forces=np.zeros((2, 3)))


def test_labels_that_are_not_finite_are_left_out():
    forces = np.ones((3, 3))
    forces[1, 2] = np.inf
    frame = Frame(molecule("H2O"), energy=np.nan, forces=forces, stress=np.full(6, np.nan))
    assert frame.labels.keys() == {"forces"}
    assert np.isnan(frame.forces).all(axis=1).tolist() == [False, True, False]
    assert frame.not_finite == {"energy", "forces", "stress"}
    assert replace(frame, energy=-1.0, forces=None).not_finite == {"stress"}


@pytest.mark.parametrize("key", ["weight", "config_weight"])
def test_the_weight_of_a_frame(tmp_path, key):
    file = tmp_path / "weights.xyz"
    file.write_text(WATER + WATER.replace("energy=", f"{key}=2.5 energy="))
    assert [f.weight for f in read_frames(file)] == [1.0, 2.5]
    file.write_text(WATER.replace("energy=", f"{key}=-1 energy="))
    with pytest.raises(LabelError, match="not negative"):
        read_frames(file)


def test_names_that_agree_are_not_ambiguous(tmp_path):
    file = tmp_path / "both.xyz"
    file.write_text(WATER.replace("energy=-14.2", "energy=-14.2 REF_energy=-14.2"))
    assert read_frames(file)[0].energy == -14.2


@given(
    arrays(np.float64, (3, 3), elements=st.floats(-0.1, 0.1)),
    st.sampled_from(["stress", "virial", "REF_virial"]),
)
@settings(max_examples=20, deadline=None)
def test_stress_in_all_its_forms(tmp_path_factory, matrix, key):
    stress = matrix + matrix.T
    crystal = bulk("NaCl", "rocksalt", a=5.6)
    written = -stress * crystal.get_volume() if "virial" in key else stress
    crystal.info[key] = written
    file = tmp_path_factory.mktemp("stress") / "stress.xyz"
    write(file, crystal, format="extxyz")
    np.testing.assert_allclose(read_frames(file)[0].stress, stress, atol=1e-6)

    text = " ".join(f"{x:.10f}" for x in written[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])
    crystal.info = {}
    write(file, crystal, format="extxyz")
    file.write_text(file.read_text().replace(" pbc=", f' {key}="{text}" pbc='))
    np.testing.assert_allclose(read_frames(file)[0].stress, stress, atol=1e-6)

    voigt = written[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    name = "REF_virial" if "virial" in key else "REF_stress"
    for form in (voigt, written.ravel()):
        crystal.info[name] = form
        write(file, crystal, format="extxyz")
        np.testing.assert_allclose(read_frames(file)[0].stress, stress, atol=1e-6)


def test_isolated_atoms_are_told_apart():
    frames = read_frames(path("ethanol"))
    isolated, rest = split_isolated(frames)
    assert [f.atoms.get_chemical_formula() for f in isolated] == ["H", "C", "O"]
    assert len(isolated) + len(rest) == len(frames)
    assert Frame(Atoms("H", cell=[9, 9, 9], pbc=True)).is_isolated()
    boxed = Atoms("H", cell=[4, 9, 9], pbc=True)
    assert not Frame(boxed).is_isolated()
    assert Frame(boxed).is_isolated(cutoff=3.9)
    boxed.info["config_type"] = "IsolatedAtom"
    assert Frame(boxed).is_isolated()
    assert not Frame(Atoms("H2", info={"config_type": "isolated_atom"})).is_isolated()


# Broken inputs: name -> (contents or None, source, keys, error, words of its message)

FLAG = "ran.txt"


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (FLAG,)


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
@settings(max_examples=60, deadline=None)
def test_garbage_raises_our_error_only(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("garbage") / "garbage.xyz"
    file.write_bytes(data)
    with contextlib.suppress(EquishareError):
        read_frames(file)


@given(st.integers(0, 5 * len(WATER)), st.integers(0, 30), st.text('0123456789.-HO \n="', max_size=4))
@settings(max_examples=60, deadline=None)
def test_damage_to_a_good_file_raises_our_error_only(tmp_path_factory, start, length, inserted):
    text = WATER * 5
    file = tmp_path_factory.mktemp("damage") / "damage.xyz"
    file.write_text(text[:start] + inserted + text[start + length :])
    with contextlib.suppress(EquishareError):
        read_frames(file)
