"""What the cheap method says of frames: taken off for E0 and scale, and learnt by no network."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from equishare import datasets
from equishare.atoms.frame import Frame
from equishare.potential import ModelConfig, load
from equishare.potential.base import BaseError, xtb
from equishare.training.config.config_file import ConfigError
from equishare.training.data.base_values import base_values, without_base
from equishare.training.fit import fit

pytest.importorskip("tblite")
CONFIG = ModelConfig(base="xtb", conditions=("charge",))


def test_labels_without_it():
    water = molecule("H2O")
    found = xtb(water.numbers, water.positions)
    frame = Frame(water, energy=-5.0, forces=np.ones((3, 3)), dipole=np.ones(3), weight=2.0, file="a.xyz", index=4)
    (bare,) = without_base([frame], CONFIG)
    assert bare.energy == pytest.approx(-5.0 - found.energies.sum(), abs=1e-10)
    assert np.allclose(bare.forces, 1.0 - found.forces)
    assert np.array_equal(bare.label("dipole"), np.ones(3))
    assert (bare.name, bare.weight) == ("a.xyz@4", 2.0)


def test_an_isolated_atom_keeps_its_energy():
    (bare,) = without_base([Frame(Atoms("O"), energy=-2041.3)], CONFIG)
    assert bare.energy == -2041.3


def test_the_charge_counts_where_the_model_takes_it():
    ion = Frame(Atoms("OH", [[0, 0, 0], [0, 0, 0.97]]), conditions={"charge": -1})
    again = Frame(ion.atoms, conditions={"charge": -1})
    told, untold = base_values(ion, CONFIG), base_values(again, ModelConfig(base="xtb"))
    assert told.energies.sum() == pytest.approx(xtb(ion.atoms.numbers, ion.atoms.positions, charge=-1).energies.sum())
    assert abs(told.energies.sum() - untold.energies.sum()) > 1.0


def test_the_frame_that_fails_is_named():
    frame = Frame(Atoms("OAm", [[0, 0, 0], [0, 0, 2.0]]), energy=0.0, file="heavy.xyz", index=7)
    with pytest.raises(BaseError, match=r"heavy\.xyz@7: GFN2-xTB"):
        without_base([frame], CONFIG)


def test_frames_of_the_cheap_method_leave_nothing_to_learn(tmp_path, tiny):
    """The frames of ethanol in the package are GFN2-xTB's."""
    config = tiny(model={"base": "xtb"}, budget={"epochs": 1}, run={"out": str(tmp_path / "run")})
    run = fit(config)
    assert run.evaluations["test"].errors["forces"].rmse < 0.02
    assert run.evaluations["test"].errors["energy"].rmse < 0.02
    potential, atoms = load(run.folder.model), datasets.load("ethanol")[50]
    assert potential.statistics.scale < 0.02
    atoms_energy = atoms.get_potential_energy()
    copy = Atoms(atoms)
    copy.calc = potential.calculator()
    assert copy.get_potential_energy() == pytest.approx(atoms_energy, abs=0.05)


def test_pretraining_on_its_frames_is_refused(tiny):
    with pytest.raises(ConfigError, match="give one of them"):
        tiny(model={"base": "xtb"}, pretraining={"source": "xtb"})
