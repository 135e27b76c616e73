"""LAMMPS says what ASE says, to rounding, in any number of processes."""

import json

import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError

from equishare.potential import ModelConfig, Potential, Statistics, save
from equishare.simulate import EquishareCalculator
from tests.simulate.lammps.conftest import BAR, command, script

NAMES = ("water", "slab", "triclinic", "tiny", "apart", "liquid")
COMPUTES = """
compute u all pair equishare
compute e all pe/atom
fix s all pair 1 equishare forces_uncertainty 1
compute t all stress/atom NULL virial
thermo_style custom step pe c_u[1] pxx pyy pzz pyz pxz pxy
thermo_modify norm no
run 0
"""


def reference(atoms, model):
    calculator = EquishareCalculator(model)
    names = ["energy", "forces", "energies"]
    if calculator.potential.committee is not None:
        names += ["energy_uncertainty", "forces_uncertainty"]
    found = {name: calculator.get_property(name, atoms) for name in names}
    try:
        found["stress"] = calculator.get_property("stress", atoms)
    except PropertyNotImplementedError:
        found["stress"] = None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_one_process(name, structures, model, engine, tmp_path):
    atoms = structures[name]
    lammps = engine(script(atoms, tmp_path, model) + COMPUTES)
    expected = reference(atoms, model)
    order = np.argsort(lammps.numpy.extract_atom("id")[: len(atoms)])
    np.testing.assert_allclose(lammps.get_thermo("pe"), expected["energy"], rtol=1e-13)
    np.testing.assert_allclose(lammps.numpy.extract_atom("f")[: len(atoms)][order], expected["forces"], atol=1e-10)
    np.testing.assert_allclose(lammps.numpy.extract_compute("e", 1, 1)[order], expected["energies"], rtol=1e-12)
    np.testing.assert_allclose(lammps.numpy.extract_compute("u", 0, 1), expected["energy_uncertainty"], rtol=1e-9)
    np.testing.assert_allclose(
        lammps.numpy.extract_fix("s", 1, 1)[order], expected["forces_uncertainty"], rtol=1e-9, atol=1e-12
    )
    if expected["stress"] is not None:
        pressure = [lammps.get_thermo(each) for each in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")]
        np.testing.assert_allclose(pressure, -expected["stress"] * BAR, rtol=1e-5, atol=1e-3)  # LAMMPS's own constant


@pytest.mark.parametrize(
    "processes", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_several_processes(processes, structures, model, plugin, tmp_path):
    lines = []
    for name in NAMES:
        (tmp_path / name).mkdir()
        lines += [
            "clear" if lines else "",
            script(structures[name], tmp_path / name, model),
            COMPUTES.replace("run 0", ""),
            "dump d all custom 1 " + f"{name}/dump id c_e fx fy fz f_s",
            "dump_modify d sort id format float %.15g",
            "variable pe equal pe",
            "variable u equal c_u[1]",
            "run 0",
            f'print """{{"pe": $(v_pe:%.15g), "u": $(v_u:%.15g)}}""" file {name}/totals screen no',
        ]
    done = command(tmp_path, processes, "\n".join(lines))
    assert done.returncode == 0, done.stdout + done.stderr
    for name in NAMES:
        expected = reference(structures[name], model)
        totals = json.loads((tmp_path / name / "totals").read_text())
        np.testing.assert_allclose(totals["pe"], expected["energy"], rtol=1e-13)
        np.testing.assert_allclose(totals["u"], expected["energy_uncertainty"], rtol=1e-9)
        rows = np.loadtxt(tmp_path / name / "dump", skiprows=9, ndmin=2)
        np.testing.assert_allclose(rows[:, 1], expected["energies"], rtol=1e-12)
        np.testing.assert_allclose(rows[:, 2:5], expected["forces"], atol=1e-10)
        np.testing.assert_allclose(rows[:, 5], expected["forces_uncertainty"], rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def charged(tmp_path_factory):
    """A file of a model that takes the total charge, which all atoms share; float64."""
    path = tmp_path_factory.mktemp("charged") / "model.safetensors"
    config = ModelConfig(
        channels=4, l_density=1, l_features=1, n_basis=4, n_hidden=4, cutoff=2.9, body_order=3, conditions=("charge",)
    )
    save(Potential(config, Statistics(reference_energies={"H": -13.6, "O": -430.0, "Cu": -20.0})).double(), path)
    return path


@pytest.mark.parametrize("processes", [1, 2])
def test_a_charge_is_shared_among_the_atoms_of_all_processes(processes, structures, charged, plugin, tmp_path):
    atoms = structures["water"].copy()
    text = script(atoms, tmp_path, charged).replace("pair_style equishare", "pair_style equishare charge 1")
    text += (
        'dump d all custom 1 dump id fx fy fz\ndump_modify d sort id format float %.15g\nrun 0\nprint "E $(pe:%.15g)"\n'
    )
    done = command(tmp_path, processes, text)
    assert done.returncode == 0, done.stdout + done.stderr
    energy = float(next(line for line in done.stdout.splitlines() if line.startswith("E ")).split()[1])
    neutral = reference(atoms, charged)["energy"]
    atoms.info["charge"] = 1
    expected = reference(atoms, charged)
    assert abs(expected["energy"] - neutral) > 1e-4
    np.testing.assert_allclose(energy, expected["energy"], rtol=1e-13)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "dump", skiprows=9)[:, 1:], expected["forces"], atol=1e-10)


def test_a_shared_charge_has_no_virial_of_each_atom(structures, charged, engine, tmp_path):
    text = script(structures["water"], tmp_path, charged).replace(
        "pair_style equishare", "pair_style equishare charge 1"
    )
    with pytest.raises(Exception, match="there is no virial of each atom"):
        engine(
            text
            + "compute t all stress/atom NULL virial\nthermo_style custom step pe pxx\ncompute r all reduce sum c_t[1]\nthermo_style custom step c_r\nrun 0"
        )
