"""Formats: what each file says is read, and nothing that it does not say."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from ase.units import Bohr, Hartree, kcal, mol

from equishare.atoms import FrameReadError, read_frames, read_structures
from equishare.datasets import load

WATER = Path(__file__).with_name("water.xyz").read_text()


@pytest.fixture(scope="module")
def ethanol():
    return load("ethanol")[3:7]


@pytest.mark.parametrize(
    "ending", ["vasp", "xsf", "gen", "sdf", "mol", "cfg", "xsd", "res", "pdb", "cif", "gro", "json"]
)
def test_what_ase_reads_by_its_ending_is_read(tmp_path, ending):
    atoms = molecule("CH3CH2OH", vacuum=5.0, pbc=True)
    if ending in {"mol", "sdf"}:  # ASE does not write them
        rows = zip(atoms.symbols, atoms.positions, strict=True)
        lines = "".join(f"{x:10.4f}{y:10.4f}{z:10.4f} {s:<3} 0  0  0  0  0\n" for s, (x, y, z) in rows)
        head = f"ethanol\n\n\n{len(atoms):3d}  1  0  0  0  0            999 V2000\n"
        (tmp_path / f"start.{ending}").write_text(f"{head}{lines}  1  2  1  0  0  0\nM  END\n$$$$\n")
    else:
        names = {"gro": "gromacs", "pdb": "proteindatabank"}
        write(tmp_path / f"start.{ending}", atoms, format=names.get(ending, ending))
    (again,) = read_structures(tmp_path / f"start.{ending}")
    assert sorted(again.numbers) == sorted(atoms.numbers)


def test_databases_with_their_data(tmp_path, ethanol):
    with connect(tmp_path / "calc.db") as database:
        for atoms in ethanol:
            database.write(atoms, charge=1, config_type="hot")
    frames = read_frames(tmp_path / "calc.db")
    assert [f.energy for f in frames] == pytest.approx([a.get_potential_energy() for a in ethanol])
    assert (frames[0].conditions, frames[0].config_type) == ({"charge": 1}, "hot")
    assert len(read_frames(f"{tmp_path}/calc.db@1:3")) == 2


def test_schnetpack_says_its_units(tmp_path, ethanol):
    with connect(tmp_path / "spk.db") as database:
        for atoms in ethanol:
            data = {"energy": [atoms.get_potential_energy() / Hartree], "forces": atoms.get_forces() * Bohr / Hartree}
            scaled = Atoms(atoms.numbers, atoms.positions / Bohr)
            database.write(scaled, data={name: np.array(value) for name, value in data.items()})
        database.metadata = {
            "_property_unit_dict": {"energy": "Hartree", "forces": "Hartree/Bohr"},
            "_distance_unit": "Bohr",
        }
    for frame, atoms in zip(read_frames(tmp_path / "spk.db"), ethanol, strict=True):
        assert frame.energy == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_allclose(frame.forces, atoms.get_forces(), atol=1e-9)
        np.testing.assert_allclose(frame.atoms.positions, atoms.positions, atol=1e-9)


NAMES = [
    {"numbers": "z", "positions": "R", "energy": "E", "forces": "F"},
    {"numbers": "nuclear_charges", "positions": "coords", "energy": "energies", "forces": "forces"},
]


@pytest.mark.parametrize("names", NAMES, ids=["MD17", "rMD17"])
def test_arrays_of_md17(tmp_path, ethanol, names):
    arrays = {
        "numbers": ethanol[0].numbers,
        "positions": np.array([a.positions for a in ethanol]),
        "energy": np.array([[a.get_potential_energy()] for a in ethanol]),
        "forces": np.array([a.get_forces() for a in ethanol]),
    }
    np.savez_compressed(tmp_path / "a.npz", name="ethanol", theory="xtb", **{names[k]: v for k, v in arrays.items()})
    frames = read_frames(f"{tmp_path}/a.npz@1:")
    assert [f.name for f in frames] == ["a.npz@1", "a.npz@2", "a.npz@3"]
    for frame, atoms in zip(frames, ethanol[1:], strict=True):
        assert frame.energy == pytest.approx(atoms.get_potential_energy())
        np.testing.assert_array_equal(frame.forces, atoms.get_forces())
        np.testing.assert_array_equal(frame.atoms.positions, atoms.positions)


@pytest.mark.parametrize("said", [True, False])
def test_units_of_arrays(tmp_path, said):
    """Said by the file, or seen: ethanol's electrons have -97,200 kcal/mol."""
    atoms = molecule("CH3CH2OH")
    forces = np.random.default_rng(0).normal(size=(2, 9, 3))
    energies = np.array([-97208.4, -97200.1])
    units = {"e_unit": "kcal/mol", "r_unit": "Ang"} if said else {}
    np.savez(tmp_path / "a.npz", z=atoms.numbers, R=np.stack([atoms.positions] * 2), E=energies, F=forces, **units)
    frames = read_frames(tmp_path / "a.npz")
    assert [f.energy for f in frames] == pytest.approx(energies * kcal / mol)
    np.testing.assert_allclose([f.forces for f in frames], forces * kcal / mol)
    assert any("multiplied by 0.0433641" in remark.text for remark in frames[0].remarks)


@pytest.mark.parametrize("n_frames", [1, 2, 3])
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("each", [False, True])
def test_cells_in_arrays(tmp_path, n_frames, flat, each):
    """One cell is that of all frames, also where there are as many frames as it has vectors."""
    cells = np.random.default_rng(0).normal(size=(n_frames, 3, 3)) + 5 * np.eye(3)
    cells = cells if each else cells[:1]
    given = cells if each else cells[0]
    given = given.reshape(*given.shape[:-2], 9) if flat else given
    np.savez(tmp_path / "a.npz", z=[3, 3], R=np.zeros((n_frames, 2, 3)), cell=given, E=np.zeros(n_frames))
    frames = read_frames(tmp_path / "a.npz")
    for frame, cell in zip(frames, np.broadcast_to(cells, (n_frames, 3, 3)), strict=True):
        np.testing.assert_array_equal(frame.atoms.cell, cell)
        assert frame.atoms.pbc.all()
        assert "cell" not in frame.atoms.info


def test_frames_of_several_sizes_in_one_array(tmp_path):
    numbers, positions = np.array([[8, 1, 1], [1, 1, 0]]), np.arange(18.0).reshape(2, 3, 3)
    np.savez(tmp_path / "a.npz", Z=numbers, R=positions, forces=positions, energy=[1.0, 2.0])
    water, hydrogen = read_frames(tmp_path / "a.npz")
    assert (str(water.atoms.symbols), str(hydrogen.atoms.symbols)) == ("OH2", "H2")
    np.testing.assert_array_equal(hydrogen.forces, positions[1, :2])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"R": np.zeros((2, 3, 3))}, "expected atomic numbers under one of the names z, .* got the arrays R"),
        ({"z": np.ones(2), "R": np.zeros((2, 3, 3))}, r"expected atomic numbers \(atoms\) and positions .* got \(2,\)"),
        ({"z": np.array(["H"] * 3), "R": np.zeros((2, 3, 3))}, "as numbers, got"),
        ({"z": np.array([None]), "R": np.zeros((1, 1, 3))}, "pickles, and refused"),
        ({"z": np.ones(3), "R": np.zeros((2, 3, 3)), "E": np.zeros(2), "e_unit": "foot"}, "unit 'foot' is not known"),
        ({"z": np.ones(3), "R": np.zeros((2, 3, 3)), "box": np.ones((2, 3))}, r"box to hold one cell .*\(2, 3\)"),
    ],
)
def test_broken_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(FrameReadError, match=message):
        read_frames(tmp_path / "a.npz")


def test_an_archive_cut_short(tmp_path):
    np.savez(tmp_path / "a.npz", z=np.ones(3), R=np.zeros((2, 3, 3)))
    whole = (tmp_path / "a.npz").read_bytes()
    for length in range(1, len(whole), 37):
        (tmp_path / "a.npz").write_bytes(whole[:length])
        with pytest.raises(FrameReadError):
            read_frames(tmp_path / "a.npz")


DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0 5
0 5
0 5
ITEM: ATOMS id type {column}x y z fx fy fz
1 1 {first}0 0 0 0.1 0 0
2 2 {second}0 0 1.2 -0.1 0 0
"""


def test_dumps_of_lammps_say_neither_energies_nor_always_elements(tmp_path):
    file = tmp_path / "a.dump"
    file.write_text(DUMP.format(column="element ", first="C ", second="O "))
    (frame,) = read_frames(file)
    assert str(frame.atoms.symbols) == "CO"
    assert frame.labels.keys() == {"forces"}
    file.write_text(DUMP.format(column="", first="", second=""))
    with pytest.raises(FrameReadError, match=r"columns id type x y z .* do not say the elements.*dump_modify"):
        read_frames(file)


def test_data_files_of_lammps_say_elements_by_masses(tmp_path):
    file = tmp_path / "start.lammps-data"
    atoms = Atoms("CO", positions=[(1, 1, 1), (1, 1, 2.2)], cell=[5, 5, 5], pbc=True)
    write(file, atoms, format="lammps-data", masses=True)
    assert sorted(read_structures(file)[0].symbols) == ["C", "O"]
    write(file, atoms, format="lammps-data")
    with pytest.raises(FrameReadError, match="'Masses'"):
        read_structures(file)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: re.sub(r"(\d\.\d+)", r"\1D+00", text).replace("energy=-14.2D+00", "energy=-14.2"),
        lambda text: text.replace("O ", "8 ").replace("H ", "1 "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: text.replace("energy", 'name="Ångström" energy'),
    ],
    ids=["byte order", "Fortran", "numbers", "Windows", "no end", "blank end", "UTF-8"],
)
def test_odd_but_clear_text_is_read(tmp_path, change):
    file = tmp_path / "a.xyz"
    file.write_bytes(change(WATER).encode())
    (frame,) = read_frames(file)
    assert str(frame.atoms.symbols) == "OH2"
    assert frame.energy == -14.2
    np.testing.assert_allclose(frame.forces[:, 0], [0.1, 0, -0.1])
    np.testing.assert_allclose(frame.atoms.positions[1], [0, 0.8, -0.5])


def test_plain_xyz_with_numbers(tmp_path):
    (tmp_path / "a.xyz").write_text("2\ncomment\n6 0 0 0\n8 0 0 1.2\n")
    assert str(read_structures(tmp_path / "a.xyz")[0].symbols) == "CO"


def test_text_in_another_encoding_is_named_by_its_line(tmp_path):
    (tmp_path / "a.xyz").write_bytes((WATER + WATER.replace("energy", 'name="Ångström" energy')).encode("latin1"))
    with pytest.raises(FrameReadError, match=r"line 7 is not UTF-8 \(byte 0xc5\).*iconv"):
        read_frames(tmp_path / "a.xyz")


def test_no_archive_but_of_arrays(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.json", json.dumps({}))
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with pytest.raises(FrameReadError):
        read_frames(tmp_path / "a.npz")
    (tmp_path / "a.xyz").write_bytes(buffer.getvalue())
    with pytest.raises(FrameReadError, match="archive"):
        read_frames(tmp_path / "a.xyz")


def test_a_calculator_without_results(tmp_path):
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms)
    write(tmp_path / "a.traj", atoms)
    assert read_frames(tmp_path / "a.traj")[0].labels == {}
