"""Outputs of electronic-structure programs: shortened by hand to what is read."""

import numpy as np
import pytest
from ase.units import Bohr, Debye, GPa, Hartree

from equishare.atoms import FrameReadError, inspect, read_frames

POTCAR = """ POTCAR:    PAW_PBE Na 08Apr2002
 POTCAR:    PAW_PBE Cl_h 08Apr2002
 POTCAR:    PAW_PBE Na 08Apr2002
 POTCAR:    PAW_PBE Cl_h 08Apr2002
"""
TITLES = """   TITEL  = PAW_PBE Na 08Apr2002
   TITEL  = PAW_PBE Cl_h 08Apr2002
"""
STEP = """--------------------------------------- Iteration      {n}(   1)  ---------------------------------------
  free energy    TOTEN  =        54.67305259 eV
  energy without entropy =       54.67616740  energy(sigma->0) =       54.67409086
--------------------------------------- Iteration      {n}(  {taken:2d})  ---------------------------------------
------------------------ aborting loop because EDIFF is reached ----------------------------------------
  in kB     -10.00000     20.00000     30.00000     40.00000-50.00000     60.00000
      direct lattice vectors                 reciprocal lattice vectors
     5.000000000  0.000000000  0.000000000     0.200000000  0.000000000  0.000000000
     0.000000000  5.000000000  0.000000000     0.000000000  0.200000000  0.000000000
     0.000000000-0.100000000  5.000000000     0.000000000  0.000000000  0.200000000
 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000         0.100000      0.000000     -0.200000
      2.50000      0.10000      0.00000        -0.100000      0.000000      0.200000
 -----------------------------------------------------------------------------------
  free  energy   TOTEN  =        -6.80000000 eV

  energy  without entropy=       -6.70000000  energy(sigma->0) =       -6.75000000
"""
ML = """  ML FORCE on cell =-STRESS in cart. coord. units (eV/cell)
 POSITION                                       TOTAL-FORCE (eV/Angst) (ML)
  free  energy ML TOTEN  =         1.00000000 eV
  ML energy  without entropy=        1.00000000  ML energy(sigma->0) =        1.00000000
"""
SETTINGS = """   NELM   =     30;   NELMIN=  2; NELMDL= -5     # of ELM steps
   ions per type =               1   1
"""


@pytest.mark.parametrize("titles", [TITLES, "", POTCAR + TITLES], ids=["titles", "list", "both"])
def test_outcar(tmp_path, titles):
    file = tmp_path / "OUTCAR"
    file.write_text((titles or POTCAR) + SETTINGS + STEP.format(n=1, taken=12) + ML + STEP.format(n=2, taken=30))
    frames = read_frames(file)
    assert len(frames) == 2
    assert str(frames[0].atoms.symbols) == "NaCl"
    assert (frames[0].energy, frames[0].keys["energy"]) == (-6.8, "free_energy")
    assert read_frames(file, {"energy": "energy"})[0].energy == -6.75
    assert frames[0].forces.tolist() == [[0.1, 0, -0.2], [-0.1, 0, 0.2]]
    np.testing.assert_allclose(frames[0].atoms.cell[2], [0, -0.1, 5])
    kbar = np.array([[-10, 40, 60], [40, 20, -50], [60, -50, 30]])  # printed as xx yy zz xy yz zx
    np.testing.assert_allclose(frames[0].stress, -0.1 * GPa * kbar)
    said = [any("all NELM steps" in remark.text for remark in f.remarks) for f in frames]
    assert said == [False, True]
    assert len(read_frames(f"{file}@:1")) == 1


def test_an_outcar_that_says_too_little(tmp_path):
    file = tmp_path / "OUTCAR"
    file.write_text(SETTINGS + STEP.format(n=1, taken=12))
    with pytest.raises(FrameReadError, match=r"name vasprun\.xml in its place"):
        read_frames(file)
    file.write_text(TITLES + SETTINGS + STEP.format(n=1, taken=12)[:600])
    with pytest.raises(FrameReadError, match="cut short"):
        read_frames(file)
    file.write_text(TITLES + SETTINGS + STEP.format(n=1, taken=12) + STEP.format(n=2, taken=12)[:1000])
    assert len(read_frames(file)) == 1
    file.write_text(TITLES + SETTINGS.replace("1   1", "1") + STEP.format(n=1, taken=12))
    with pytest.raises(FrameReadError, match="ions of each"):
        read_frames(file)


CP2K = """ CP2K| version string:                                          CP2K version 6.1
 GLOBAL| Run type                                                   {run}
 CELL| Vector a [angstrom]:       5.000     0.000     0.000    |a| =       5.000
 CELL| Vector b [angstrom]:       0.000     6.000     0.000    |b| =       6.000
 CELL| Vector c [angstrom]:       0.000     0.000     7.000    |c| =       7.000
 DFT| Multiplicity                                                             2
 DFT| Charge                                                                  -1
 MODULE QUICKSTEP:  ATOMIC COORDINATES IN angstrom

  Atom  Kind  Element       X           Y           Z          Z(eff)       Mass

       1     1 O    8    0.000000    0.000000    0.000000      6.00      15.9994
       2     2 H    1    0.960000    0.000000    0.000000      1.00       1.0079

 *** SCF run {converged} in    47 steps ***
{energy}
{forces}
 STRESS TENSOR [GPa]

            X               Y               Z
  X      -7.00000000      -1.00000000       0.00000000
  Y      -1.00000000      -8.00000000      -2.00000000
  Z       0.00000000      -2.00000000      -9.00000000

"""
OLD = {
    "energy": " ENERGY| Total FORCE_EVAL ( QS ) energy (a.u.):              -17.250000000000000",
    "forces": """ ATOMIC FORCES in [a.u.]

 # Atom   Kind   Element          X              Y              Z
      1      1      O           0.01000000     0.00000000     0.00000000
      2      2      H          -0.01000000     0.00000000     0.00000000
 SUM OF ATOMIC FORCES           0.00000000     0.00000000     0.00000000     0.00000000
""",
}
NEW = {
    "energy": " ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]            -17.25",
    "forces": """ FORCES| Atomic forces [hartree/bohr]
 FORCES|   Atom     x               y               z               |f|
 FORCES|      1  1.00000000E-02  0.00000000E+00  0.00000000E+00  1.00000000E-02
 FORCES|      2 -1.00000000E-02  0.00000000E+00  0.00000000E+00  1.00000000E-02
 FORCES| Sum     0.00000000E+00  0.00000000E+00  0.00000000E+00
""",
}


@pytest.mark.parametrize("release", [OLD, NEW], ids=["6", "2025"])
def test_an_output_of_cp2k(tmp_path, release):
    file = tmp_path / "cp2k.out"
    file.write_text(CP2K.format(run="ENERGY_FORCE", converged="converged", **release))
    (frame,) = read_frames(file)
    assert str(frame.atoms.symbols) == "OH"
    assert frame.atoms.cell.lengths().tolist() == [5, 6, 7]
    assert frame.energy == pytest.approx(-17.25 * Hartree)
    np.testing.assert_allclose(frame.forces[:, 0], np.array([0.01, -0.01]) * Hartree / Bohr)
    np.testing.assert_allclose(frame.stress, GPa * np.array([[7, 1, 0], [1, 8, 2], [0, 2, 9]]))
    assert frame.conditions == {"charge": -1, "spin": 2}
    assert not frame.remarks
    file.write_text(CP2K.format(run="ENERGY_FORCE", converged="NOT converged", **release))
    (remark,) = read_frames(file)[0].remarks
    assert (remark.level, remark.text) == ("warning", "its electrons did not converge")
    file.write_text(CP2K.format(run="MD", converged="converged", **release))
    with pytest.raises(FrameReadError, match=r"name PROJECT-pos-1\.xyz"):
        read_frames(file)


def test_a_trajectory_of_cp2k(tmp_path):
    for kind, scale in (("pos", 1.0), ("frc", 0.01)):
        text = ""
        for step in range(3):
            text += f"2\n i = {step:8d}, time = {0.5 * step:12.3f}, E = {-17.0 - step:18.10f}\n"
            text += f"  O {0.1 * step * scale:12.6f} 0.0 0.0\n  H {0.96 * scale:12.6f} 0.0 0.0\n"
        (tmp_path / f"water-{kind}-1.xyz").write_text(text)
    frames = read_frames(tmp_path / "water-pos-1.xyz")
    assert [f.energy for f in frames] == pytest.approx([(-17.0 - n) * Hartree for n in range(3)])
    assert not frames[0].atoms.pbc.any()
    np.testing.assert_allclose(frames[2].forces[:, 0], np.array([0.002, 0.0096]) * Hartree / Bohr)
    assert frames[2].atoms.positions[0].tolist() == [0.2, 0, 0]
    assert "they were in Hartree" in frames[0].remarks[0].text
    rows = "".join(f"{n} {n * 0.5} 5 0 0 0 6 0 0 0 {7 + n} 210\n" for n in range(3))
    (tmp_path / "water-1.cell").write_text("# Step Time Ax Ay Az Bx By Bz Cx Cy Cz Volume\n" + rows)
    assert read_frames(tmp_path / "water-pos-1.xyz")[2].atoms.cell.lengths().tolist() == [5, 6, 9]
    with pytest.raises(FrameReadError, match=r"holds forces of CP2K in place of positions; name water-pos-1\.xyz"):
        read_frames(tmp_path / "water-frc-1.xyz")
    (tmp_path / "water-frc-1.xyz").write_text(
        (tmp_path / "water-frc-1.xyz").read_text().replace("i =        1", "i =        9")
    )
    with pytest.raises(FrameReadError, match="expected step 1"):
        read_frames(tmp_path / "water-pos-1.xyz")


GAUSSIAN = """ Entering Gaussian System, Link 0=g09
 Gaussian, Inc.
 Charge =  1 Multiplicity = 2
                          Input orientation:
 ---------------------------------------------------------------------
 Center     Atomic      Atomic             Coordinates (Angstroms)
 Number     Number       Type             X           Y           Z
 ---------------------------------------------------------------------
      1          8           0        0.000000    0.000000    0.000000
      2          1           0        0.960000    0.000000    0.000000
 ---------------------------------------------------------------------
{standard} SCF Done:  E(RB3LYP) =  -75.5000000000     A.U. after    5 cycles
 Dipole moment (field-independent basis, Debye):
    X=              1.0000    Y=              0.0000    Z=              0.0000  Tot=              1.0000
 -------------------------------------------------------------------
 Center     Atomic                   Forces (Hartrees/Bohr)
 Number     Number              X              Y              Z
 -------------------------------------------------------------------
      1        8           0.010000000    0.000000000    0.000000000
      2        1          -0.010000000    0.000000000    0.000000000
 -------------------------------------------------------------------
 Normal termination of Gaussian 09
"""
STANDARD = """                         Standard orientation:
 ---------------------------------------------------------------------
 Center     Atomic      Atomic             Coordinates (Angstroms)
 Number     Number       Type             X           Y           Z
 ---------------------------------------------------------------------
      1          8           0        0.000000    0.000000    0.106667
      2          1           0        0.000000    0.000000   -0.853333
 ---------------------------------------------------------------------
"""


def test_a_log_of_gaussian(tmp_path):
    file = tmp_path / "oh.log"
    file.write_text(GAUSSIAN.format(standard=""))
    (frame,) = read_frames(file)
    assert frame.energy == pytest.approx(-75.5 * Hartree, rel=1e-6)
    np.testing.assert_allclose(frame.forces[:, 0], np.array([0.01, -0.01]) * Hartree / Bohr, rtol=1e-6)
    np.testing.assert_allclose(frame.label("dipole"), [Debye, 0, 0], rtol=1e-6)
    assert frame.conditions == {"charge": 1, "spin": 2}
    file.write_text(GAUSSIAN.format(standard=STANDARD))
    (frame,) = read_frames(file)
    assert frame.label("dipole") is None
    assert frame.forces is not None
    assert "standard orientation" in frame.remarks[0].text


def test_another_programs_output_is_not_taken_for_what_its_ending_says(tmp_path):
    (tmp_path / "psi4.out").write_text("Psi4: An Open-Source Ab Initio Electronic Structure Package\n")
    with pytest.raises(FrameReadError, match="another program's output"):
        read_frames(tmp_path / "psi4.out")


def test_unconverged_steps_are_named_by_the_inspection(tmp_path):
    (tmp_path / "OUTCAR").write_text(TITLES + SETTINGS + STEP.format(n=1, taken=12) + STEP.format(n=2, taken=30))
    findings = [f for f in inspect(read_frames(tmp_path / "OUTCAR")).findings if "NELM" in f.message]
    assert [(f.level, f.frames) for f in findings] == [("warning", ("OUTCAR@1",))]
