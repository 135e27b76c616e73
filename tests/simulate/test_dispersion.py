"""D3 dispersion on top of a potential."""

import sys

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from equishare.potential import ModelConfig, Potential, Statistics
from equishare.simulate import DispersionError, EquishareCalculator, MDSettings, d3, run_md

CONFIG = {"channels": 4, "l_density": 1, "l_features": 1, "n_basis": 4, "n_hidden": 4, "cutoff": 3.5}


@pytest.fixture
def potential():
    return Potential(
        ModelConfig(**CONFIG), Statistics(reference_energies={"H": -13.6, "C": -1027.0, "O": -2041.0}, scale=0.01)
    ).double()


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dftd3.ase", None)
    with pytest.raises(DispersionError, match="pip install dftd3"):
        d3("pbe")


def test_an_unknown_functional_is_named():
    pytest.importorskip("dftd3")
    with pytest.raises(DispersionError, match="nonesuch"):
        d3("nonesuch")


@pytest.mark.parametrize("kind", ["molecule", "crystal"])
def test_it_is_added_to_everything(potential, kind):
    pytest.importorskip("dftd3")
    atoms = molecule("CH3CH2OH") if kind == "molecule" else bulk("C", "diamond", 3.6)
    plain, with_d3 = EquishareCalculator(potential), EquishareCalculator(potential, dispersion="pbe")
    energy = d3("pbe").get_potential_energy(atoms)
    assert energy < -0.01
    assert with_d3.get_potential_energy(atoms) == pytest.approx(plain.get_potential_energy(atoms) + energy, abs=1e-9)
    assert with_d3.results["dispersion_energy"] == pytest.approx(energy)
    assert with_d3.results["energies"].sum() == pytest.approx(with_d3.results["energy"])
    assert np.allclose(with_d3.get_forces(atoms), plain.get_forces(atoms) + d3("pbe").get_forces(atoms))
    assert np.abs(with_d3.get_forces(atoms) - plain.get_forces(atoms)).max() > 1e-4 or kind == "crystal"
    assert np.allclose(
        with_d3.get_hessian(atoms), plain.get_hessian(atoms) + d3("pbe").get_property("hessian", atoms), atol=1e-9
    )
    if kind == "crystal":
        assert np.allclose(with_d3.get_stress(atoms), plain.get_stress(atoms) + d3("pbe").get_stress(atoms))


def test_dynamics_with_it_leave_no_training_domain(potential, tmp_path):
    pytest.importorskip("dftd3")
    settings = MDSettings(temperature=10.0, dispersion="pbe", interval=1)
    result = run_md(potential, molecule("CH4"), 3, tmp_path / "md", settings)
    assert result.stopped is None
    assert torch.get_default_dtype() == torch.float32
