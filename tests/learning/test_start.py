"""Where learning may start."""

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write

from equishare import datasets
from equishare.errors import EquishareError
from equishare.learning import LearnError
from equishare.learning.start import read_start


def test_structures_and_files(tmp_path):
    water = molecule("H2O")
    water.info |= {"charge": 1, "remark": "wet"}
    assert read_start(water)[0].info == {"charge": 1}
    assert len(read_start([water, water])) == 2
    write(tmp_path / "water.xyz", [water, molecule("CH4")])
    assert read_start(tmp_path / "water.xyz")[0].get_chemical_formula() == "CH4"
    assert read_start(f"{tmp_path}/water.xyz@0")[0].get_chemical_formula() == "H2O"
    assert np.allclose(read_start("ethanol@5")[0].positions, datasets.load("ethanol")[5].positions)


@pytest.mark.parametrize("start", [[], [3], molecule("H2O")[:1], "no_such_file.xyz"])
def test_what_is_no_start(start):
    with pytest.raises(EquishareError):
        read_start(start)


def test_a_smiles():
    pytest.importorskip("rdkit")
    assert read_start("CCO")[0].get_chemical_formula() == "C2H6O"
    assert read_start("C[NH3+]")[0].info["charge"] == 1
    with pytest.raises(LearnError, match="neither a file"):
        read_start("not-a-molecule")


def test_a_smiles_without_rdkit(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LearnError, match="needs RDKit"):
        read_start("CCO")
