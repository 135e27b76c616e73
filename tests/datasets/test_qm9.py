import importlib.util

import numpy as np
import pytest

from equishare.datasets import qm9

HEADER = (
    "XYZ_file,Index,SMILES,InChi,N_atoms,Stoichiometry,Elements,XYZ_Ang,Mulliken_pop,Harmonic_Freq_cmi,RotA_GHz,RotB_GHz,RotC_GHz,"
    "Dipole_debye,Polarizability_bohr3,HOMO_au,LUMO_au,HOMO_LUMO_gap_au,R2_bohr2,ZPVE_au,InternalEnergy_0K_au,"
    "InternalEnergy_298K_au,Enthalphy_298K_au,GibbsFreeEnergy_298K_au,Heatcapacity_Cv_cal_mol_K"
)


@pytest.fixture
def folder(tmp_path):
    """Two made-up rows in the format of qm9pack, in different parts."""
    places = {"a": "[[0.0,0.0,0.0],[0.0,0.0,1.0]]", "b": "[[0.0,0.0,0.0],[0.0,2.0,0.0],[1.0,0.0,0.0]]"}
    elements = {"a": "\"['C','O']\"", "b": "\"['O','H','H']\""}
    for part, (name, place) in enumerate(places.items(), start=1):
        n = place.count("[") - 1
        row = f'"{name}",{part},"X","I",{n},"[]",{elements[name]},"{place}","[]","[]",1,1,1,2.0,3.0,-0.5,0.5,1.0,4.0,0.1,-1,-2,-3,-4,6.5'
        (tmp_path / f"qm9_part{part}.csv").write_text(f"{HEADER}\n{row}\n")
    (tmp_path / "qm9_polarizability.csv").write_text(
        "XYZ_file,A_xx,A_xy,A_yy,A_xz,A_yz,A_zz\na,1,0,2,0,0,3\nb,1,2,3,4,5,6\n"
    )
    return tmp_path


def test_units_and_frames(folder):
    carbon, water = sorted(qm9.qm9(2, folder=folder), key=len)
    assert carbon.info["gap"] == pytest.approx(27.2114, rel=1e-5)
    assert carbon.info["dipole_norm"] == pytest.approx(0.416389, rel=1e-5)
    assert carbon.info["heat_capacity"] == 6.5
    np.testing.assert_allclose(water.info["polarizability"] / 0.148184711, [[1, 2, 4], [2, 3, 5], [4, 5, 6]], rtol=1e-6)
    for atoms in (carbon, water):
        frame, charge = atoms.info["frame"], atoms.numbers / atoms.numbers.sum()
        np.testing.assert_allclose(charge @ atoms.positions, 0, atol=1e-12)
        np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(frame) == pytest.approx(1)
        turned = atoms.positions @ frame.T
        np.testing.assert_allclose((turned.T * charge) @ turned, np.diag(atoms.info["charge_moments"]), atol=1e-12)
        assert (np.diff(atoms.info["charge_moments"]) <= 1e-12).all()


def test_choice_is_reproducible_and_limited(folder):
    assert [a.info["index"] for a in qm9.qm9(1, seed=3, folder=folder)] == [
        a.info["index"] for a in qm9.qm9(1, seed=3, folder=folder)
    ]
    with pytest.raises(ValueError, match="at most 2 molecules"):
        qm9.qm9(3, folder=folder)


def test_absent_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install qm9pack"):
        qm9.qm9(1)


@pytest.mark.slow
def test_tensors_are_in_the_frame_of_nuclear_charge():
    if importlib.util.find_spec("qm9pack") is None:
        pytest.skip("qm9pack is not installed")
    molecules = qm9.qm9(300)
    long, raw = [], []
    for atoms in molecules:
        alpha = atoms.info["polarizability"]
        moments = atoms.info["charge_moments"]
        charge = atoms.numbers / atoms.numbers.sum()
        second = (atoms.positions.T * charge) @ atoms.positions
        long.append((moments / moments.sum(), np.diag(alpha) / np.trace(alpha)))
        raw.append((np.diag(second) / np.trace(second), np.diag(alpha) / np.trace(alpha)))
    aligned, plain = (
        np.corrcoef(*(np.concatenate(side) for side in zip(*pairs, strict=True)))[0, 1] for pairs in (long, raw)
    )
    assert aligned > 0.85
    assert aligned > plain + 0.1
