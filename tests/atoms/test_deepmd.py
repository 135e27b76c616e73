"""Folders of DeePMD-kit."""

import numpy as np
import pytest
from ase.build import bulk, molecule

from equishare.atoms import FrameReadError, read_frames


def deepmd(folder, frames, *, periodic=True, mixed=False, **extra):
    (folder / "set.000").mkdir(parents=True)
    symbols = sorted({s for a in frames for s in a.symbols})
    types = [symbols.index(s) for s in frames[0].symbols]
    (folder / "type_map.raw").write_text("\n".join(symbols))
    (folder / "type.raw").write_text("\n".join(str(0 if mixed else t) for t in types))
    arrays = {"coord": [a.positions.ravel() for a in frames], **extra}
    if periodic:
        arrays["box"] = [a.cell[:].ravel() for a in frames]
    if mixed:
        arrays["real_atom_types"] = [[symbols.index(s) for s in a.symbols] for a in frames]
    for name, values in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", np.array(values))


@pytest.mark.parametrize("mixed", [False, True])
def test_folders_of_deepmd(tmp_path, mixed):
    frames = [bulk("NaCl", "rocksalt", 5.6 + 0.1 * n, cubic=True) for n in range(3)]
    rng = np.random.default_rng(0)
    forces, stress = rng.normal(size=(3, 24)), rng.normal(size=(3, 3, 3))
    stress = stress + stress.transpose(0, 2, 1)
    virial = [-(s * a.get_volume()).ravel() for s, a in zip(stress, frames, strict=True)]
    deepmd(tmp_path / "data" / "a", frames, mixed=mixed, energy=[1.0, 2.0, 3.0], force=forces, virial=virial)
    deepmd(tmp_path / "data" / "b", [molecule("H2O")], periodic=False, energy=[4.0], dipole=[[1.0, 2.0, 3.0]])
    read = read_frames(tmp_path / "data")
    assert [f.energy for f in read] == [1.0, 2.0, 3.0, 4.0]
    for n, atoms in enumerate(frames):
        assert read[n].atoms.numbers.tolist() == atoms.numbers.tolist()
        np.testing.assert_allclose(read[n].atoms.cell[:], atoms.cell[:])
        np.testing.assert_allclose(read[n].forces, forces[n].reshape(8, 3))
        np.testing.assert_allclose(read[n].stress, stress[n])
    assert not read[3].atoms.pbc.any()
    assert read[3].label("dipole").tolist() == [1.0, 2.0, 3.0]
    assert len(read_frames(f"{tmp_path}/data@:2")) == 2


def test_mixed_systems_are_filled_up(tmp_path):
    folder = tmp_path / "mixed"
    deepmd(folder, [molecule("H2O")], periodic=False, mixed=True, energy=[4.0], force=[np.arange(9.0)])
    np.save(folder / "set.000" / "real_atom_types.npy", np.array([[1, 0, -1]]))  # H and O are types 0 and 1
    (frame,) = read_frames(folder)
    assert str(frame.atoms.symbols) == "OH"
    assert frame.forces.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_broken_folders_of_deepmd(tmp_path):
    folder = tmp_path / "dp"
    deepmd(folder, [molecule("H2O")], periodic=False, energy=[4.0])
    for file, text, message in (
        ("type.raw", "0 1 7", "must number the 2 symbols"),
        ("type.raw", "0 a 1", "whole numbers"),
        ("type_map.raw", "H Qq", "'Qq' is not a chemical symbol"),
        ("type.raw", "0 1", "expected 2 atoms a frame"),
    ):
        before = (folder / file).read_text()
        (folder / file).write_text(text)
        with pytest.raises(FrameReadError, match=message):
            read_frames(folder)
        (folder / file).write_text(before)
    np.save(folder / "set.000" / "coord.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(FrameReadError, match="cannot be read as an array of numbers"):
        read_frames(folder)
    (folder / "type_map.raw").unlink()
    with pytest.raises(FrameReadError, match=r"expected type_map\.raw"):
        read_frames(folder)
