"""Methods by name: what is missing is said."""

import json
import pickle

import numpy as np
import pytest
from ase.build import molecule

from equishare.learning import labeller
from equishare.learning.labelling.pool import LabellerError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("xbt", "no labelling method 'xbt'; known are xtb"),
        ("pyscf", "expected pyscf:FUNCTIONAL/BASIS"),
        ("pyscf:pbe", "expected pyscf:FUNCTIONAL/BASIS"),
        ("gpaw:pbe/high", "cutoff in eV"),
        ("no_such_module:make", "cannot import make of the module no_such_module"),
        ("math:no_such_name", "cannot import no_such_name of the module math"),
        ("math:pi", "expected math:pi to be a function"),
    ],
)
def test_wrong_names(name, message):
    with pytest.raises(LabellerError, match=message):
        labeller(name)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("xtb", "tblite"),
        ("pyscf:pbe/def2-svp", "pyscf"),
        ("gpaw:pbe", "gpaw"),
        ("chgnet", "chgnet"),
        ("7net", "sevenn"),
        ("mace-mp", "mace"),
    ],
)
def test_packages_that_are_missing(monkeypatch, name, module):
    monkeypatch.setattr("importlib.util.find_spec", lambda found: None)
    with pytest.raises(LabellerError, match=f"needs {module}, which is not installed: pip install"):
        labeller(name)


def test_programs_that_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabellerError, match="program orca on PATH"):
        labeller("orca:PBE def2-SVP")
    for program in ("vasp", "cp2k", "espresso"):
        monkeypatch.delenv(f"ASE_{program.upper()}_COMMAND", raising=False)
        with pytest.raises(
            LabellerError, match=f"does not know how to start {program}: set ASE_{program.upper()}_COMMAND"
        ):
            labeller(f"{program}:settings.json")


def test_keywords_of_programs_come_from_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("ASE_VASP_COMMAND", "vasp_std")
    file = tmp_path / "vasp.json"
    with pytest.raises(LabellerError, match=r"expected vasp:FILE\.json"):
        labeller("vasp")
    with pytest.raises(LabellerError, match="in JSON"):
        labeller(f"vasp:{file}")
    file.write_text("[1]")
    with pytest.raises(LabellerError, match="an object of keywords"):
        labeller(f"vasp:{file}")
    file.write_text(json.dumps({"xc": "pbe", "encut": 500}))
    calculator = pickle.loads(pickle.dumps(labeller(f"vasp:{file}")))()
    assert calculator.float_params["encut"] == 500


def test_orca_gets_its_keywords(monkeypatch, tmp_path):
    program = tmp_path / "orca"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    radical = molecule("CH3")
    radical.info["spin"] = 2
    calculator = labeller("orca:PBE def2-SVP", radical)()
    assert calculator.parameters["orcasimpleinput"] == "PBE def2-SVP EnGrad TightSCF"
    assert (calculator.parameters["charge"], calculator.parameters["mult"]) == (0, 2)


def test_a_factory_and_xtb_with_a_charge():
    assert labeller("ase.calculators.emt:EMT")().name == "emt"
    assert pickle.loads(pickle.dumps(labeller("labellers:by_lambda")))().name == "emt"
    pytest.importorskip("tblite")
    ion = molecule("OH")
    ion.info["charge"] = -1
    ion.calc = pickle.loads(pickle.dumps(labeller("xtb", ion)))()
    charged = ion.get_potential_energy()
    ion.info.clear()
    neutral = molecule("OH")
    neutral.info["spin"] = 2
    neutral.calc = labeller("xtb", neutral)()
    assert not np.isclose(charged, neutral.get_potential_energy(), atol=1.0)


def test_pyscf_has_forces():
    pytest.importorskip("pyscf")
    water = molecule("H2O")
    water.rattle(0.05, seed=1)
    water.calc = labeller("pyscf:pbe/sto-3g")()
    forces, step = water.get_forces(), 1e-3
    moved = []
    for sign in (1, -1):
        other = water.copy()
        other.positions[1, 2] += sign * step
        other.calc = labeller("pyscf:pbe/sto-3g")()
        moved.append(other.get_potential_energy())
    # without the grid's own derivative, as is usual
    assert forces[1, 2] == pytest.approx(-(moved[0] - moved[1]) / (2 * step), abs=5e-3)
    water.pbc = True
    water.cell = [9, 9, 9]
    with pytest.raises(Exception, match="for molecules"):
        water.get_potential_energy()
