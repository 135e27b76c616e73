"""The ASE calculator: the potential's numbers, a kept neighbour list, and nothing of the caller's changed."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import CalculatorSetupError, PropertyNotImplementedError
from ase.stress import voigt_6_to_full_3x3_stress
from ase.vibrations import Vibrations, VibrationsData

from equishare.devices import DeviceError
from equishare.potential import Committee, GraphError, ModelConfig, ModelFileError, Potential, UnknownSpeciesError, save
from equishare.simulate import EquishareCalculator

CONFIG = {"channels": 4, "l_density": 2, "l_features": 1, "n_basis": 4, "n_hidden": 4, "cutoff": 3.5}


@pytest.fixture
def potential():
    return Potential(ModelConfig(**CONFIG, heads=("dipole",)), {"H": -13.6, "C": -1027.0, "O": -2041.0}).double()


@pytest.fixture
def crystal():
    cell = [[3.1, 0.2, 0.0], [0.4, 3.4, -0.3], [-0.2, 0.5, 3.8]]
    return Atoms("CHO", scaled_positions=[[0.0, 0.1, 0.0], [0.5, 0.45, 0.4], [0.1, 0.6, 0.8]], cell=cell, pbc=True)


@pytest.mark.parametrize("kind", ["molecule", "crystal"])
def test_every_property_is_the_potentials(potential, crystal, kind):
    atoms = crystal if kind == "crystal" else molecule("CH3CH2OH")
    (expected,) = potential.predict([atoms], stress=True)
    atoms.calc = EquishareCalculator(potential)
    assert atoms.get_potential_energy() == pytest.approx(expected["energy"], rel=1e-14)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    assert np.allclose(atoms.get_potential_energies(), expected["energies"], rtol=1e-14)
    assert np.allclose(atoms.get_forces(), expected["forces"], rtol=0, atol=1e-12)
    assert np.allclose(atoms.get_dipole_moment(), expected["dipole"], rtol=0, atol=1e-12)
    assert np.allclose(atoms.get_charges(), expected["charges"], rtol=0, atol=1e-12)
    if kind == "crystal":
        assert np.allclose(voigt_6_to_full_3x3_stress(atoms.get_stress()), expected["stress"], rtol=0, atol=1e-13)


def test_properties_by_ases_own_way(potential, crystal):
    """A committee's and the dispersion's names are none of ASE's."""
    potential.committee = Committee(potential.energy.n_inputs, 3).double()
    potential.committee.set_precision(torch.eye(potential.energy.n_inputs), torch.Generator().manual_seed(0))
    crystal.calc = calc = EquishareCalculator(potential)
    found = crystal.get_properties(["energy", "forces", "stress", "dipole", "charges", "energies"])
    assert found["energy"] == crystal.get_potential_energy()
    np.testing.assert_array_equal(found["stress"], crystal.get_stress())
    assert found["natoms"] == 3
    assert "energy_uncertainty" in calc.results
    assert calc.get_property("forces_uncertainty", crystal).shape == (3,)
    assert "forces_uncertainty" not in calc.export_properties()


def test_the_skin_is_set_and_nothing_else_silently(potential, crystal):
    crystal.calc = calc = EquishareCalculator(potential, skin=0.3)
    before = crystal.get_forces()
    assert calc.set(skin=2) == {"skin": 2}
    assert calc.skin == 2.0
    crystal.positions[0] += 0.5  # beyond half of the first skin, within half of the second
    crystal.get_forces()
    crystal.positions[0] -= 0.5
    np.testing.assert_allclose(crystal.get_forces(), before, atol=1e-12)
    assert calc.list_builds == 2
    with pytest.raises(ValueError, match="finite and not negative, got -1"):
        calc.set(skin=-1)
    with pytest.raises(CalculatorSetupError, match="expected skin alone, got device, dtype"):
        calc.set(dtype="float32", device="cpu")
    assert calc.skin == 2.0


def test_one_copy_of_a_structure_serves_all_steps(potential, crystal):
    crystal.calc = calc = EquishareCalculator(potential)
    crystal.get_forces()
    kept = calc.atoms
    for _ in range(2):
        crystal.positions[0, 0] += 0.01
        crystal.info["charge"] = 1
        moved = crystal.get_forces()
        assert calc.atoms is kept
        assert kept is not crystal
    other = EquishareCalculator(potential)
    np.testing.assert_array_equal(moved, other.get_forces(crystal))
    water = molecule("H2O")
    calc.get_forces(water)
    assert calc.atoms is not kept
    np.testing.assert_array_equal(calc.get_forces(crystal), moved)


def test_what_has_changed(potential, crystal):
    calc = crystal.calc = EquishareCalculator(potential)
    assert set(calc.check_state(crystal)) >= {"positions", "numbers", "cell", "pbc"}
    crystal.get_forces()
    assert calc.check_state(crystal) == []
    for name, change in {
        "positions": lambda atoms: atoms.positions.__setitem__((0, 0), np.nextafter(atoms.positions[0, 0], 9.0)),
        "numbers": lambda atoms: atoms.numbers.__setitem__(0, 1),
        "cell": lambda atoms: atoms.cell.__setitem__((0, 0), 3.2),
        "pbc": lambda atoms: atoms.set_pbc([True, True, False]),
    }.items():
        other = crystal.copy()
        change(other)
        assert calc.check_state(other) == [name]
    crystal.set_cell(crystal.cell * 1.01)
    assert calc.get_potential_energy(crystal) != calc.get_potential_energy(other)


def test_a_condition_that_changes_is_a_change():
    potential = Potential(ModelConfig(**CONFIG, conditions=("charge",)), {"H": -13.6, "O": -2041.0}).double()
    with torch.no_grad():
        for parameter in potential.net.conditions.parameters():
            parameter.normal_()
    water = molecule("H2O")
    water.calc = EquishareCalculator(potential)
    neutral = water.get_potential_energy()
    water.info["charge"] = 1
    assert water.get_potential_energy() != neutral
    water.info["charge"] = 0
    assert water.get_potential_energy() == neutral


def test_the_skin_does_not_change_a_bit(potential, crystal):
    """Random walks with atoms that enter and leave the cutoff: with a list kept, and with one made at every call."""
    rng = np.random.default_rng(0)
    kept, fresh = EquishareCalculator(potential, skin=1.0), EquishareCalculator(potential, skin=0.0)
    for atoms in (crystal, molecule("CH3CH2OH")):
        for _ in range(12):
            atoms.positions += rng.normal(scale=0.08, size=atoms.positions.shape)
            results = []
            for calc in (kept, fresh):
                calc.calculate(atoms, ["energy", "forces"])
                results.append((calc.results["energy"], calc.results["forces"]))
            assert results[0][0] == results[1][0]
            assert np.array_equal(results[0][1], results[1][1])
    assert fresh.list_builds == 24
    assert 2 <= kept.list_builds <= 16


def test_when_the_list_is_made_anew(potential, crystal):
    calc = EquishareCalculator(potential, skin=1.0)
    crystal.calc = calc

    def builds(change):
        before = calc.list_builds
        change()
        crystal.get_forces()
        return calc.list_builds - before

    assert builds(lambda: None) == 1
    assert builds(lambda: crystal.positions.__iadd__([0.2, 0.0, 0.0])) == 0
    assert builds(lambda: crystal.positions.__iadd__([0.29, 0.0, 0.0])) == 0
    assert builds(lambda: crystal.positions.__iadd__([0.02, 0.0, 0.0])) == 1
    assert builds(lambda: crystal.set_cell(crystal.cell * 1.01)) == 0  # a small strain is allowed for
    assert builds(lambda: crystal.set_cell(crystal.cell * 1.5)) == 1
    assert builds(lambda: crystal.set_pbc([True, True, False])) == 1
    assert builds(lambda: crystal.set_chemical_symbols("CHH")) == 1
    assert builds(lambda: crystal.pop()) == 1


def test_stress_is_computed_when_asked_for(potential, crystal):
    crystal.calc = EquishareCalculator(potential)
    crystal.get_forces()
    assert "stress" not in crystal.calc.results
    crystal.get_stress()
    assert set(crystal.calc.results) >= {"stress", "forces", "energy"}
    loose = molecule("H2O")
    loose.calc = EquishareCalculator(potential)
    with pytest.raises(PropertyNotImplementedError, match="three vectors"):
        loose.get_stress()


def test_dipole_only_where_the_model_has_it():
    water = molecule("H2O")
    water.calc = EquishareCalculator(Potential(ModelConfig(**CONFIG), {"H": -13.6, "O": -2041.0}))
    with pytest.raises(PropertyNotImplementedError):
        water.get_dipole_moment()


def test_the_callers_potential_is_not_changed(potential):
    potential.train()
    weights = {name: w.clone() for name, w in potential.state_dict().items()}
    calc = EquishareCalculator(potential, dtype=torch.float32)
    calc.get_potential_energy(molecule("H2O"))
    assert (calc.potential.dtype, potential.dtype) == (torch.float32, torch.float64)
    assert potential.training
    assert all(w.requires_grad for w in potential.parameters())
    assert all(torch.equal(w, weights[name]) for name, w in potential.state_dict().items())


def test_float32_far_from_the_origin(potential):
    """The structure is centred before it is rounded."""
    water = molecule("H2O")
    water.calc = EquishareCalculator(potential, dtype=torch.float32)
    near = water.get_forces()
    water.positions += 1e5
    assert np.abs(water.get_forces() - near).max() < 1e-4 * np.abs(near).max()


def test_from_a_file(potential, tmp_path):
    save(potential, tmp_path / "m.safetensors")
    water = molecule("H2O")
    from_file, direct = EquishareCalculator(tmp_path / "m.safetensors"), EquishareCalculator(potential)
    assert from_file.get_potential_energy(water) == direct.get_potential_energy(water)
    assert EquishareCalculator(str(tmp_path / "m.safetensors"), dtype=torch.float32).potential.dtype == torch.float32


def test_errors(potential, tmp_path):
    calc = EquishareCalculator(potential)
    with pytest.raises(UnknownSpeciesError, match=r"knows H, C, O, but the structure holds N"):
        calc.get_potential_energy(molecule("NH3"))
    with pytest.raises(GraphError, match="not finite"):
        calc.get_potential_energy(Atoms("H2", positions=[[0, 0, 0], [0, 0, np.nan]]))
    with pytest.raises(GraphError, match="at least one atom"):
        calc.get_potential_energy(Atoms())
    with pytest.raises(GraphError, match="no volume"):
        calc.get_potential_energy(Atoms("H", pbc=True))
    for skin in (-0.1, np.inf, np.nan):
        with pytest.raises(ValueError, match="skin must be finite and not negative"):
            EquishareCalculator(potential, skin=skin)
    with pytest.raises(DeviceError, match="expected one of float32, float64"):
        EquishareCalculator(potential, dtype="half")
    with pytest.raises(FileNotFoundError, match="no model file"):
        EquishareCalculator(tmp_path / "absent.safetensors")
    (tmp_path / "text.safetensors").write_text("not a model")
    with pytest.raises(ModelFileError):
        EquishareCalculator(tmp_path / "text.safetensors")


def test_a_position_that_becomes_nan_is_named(potential):
    """Also while a list is kept."""
    water = molecule("H2O")
    water.calc = EquishareCalculator(potential)
    water.get_forces()
    water.positions[2] = np.nan
    with pytest.raises(GraphError, match="position of atom 2 is not finite"):
        water.get_forces()


def test_two_atoms_in_one_place_are_named(potential):
    water = molecule("H2O")
    water.positions[2] = water.positions[1]
    water.calc = EquishareCalculator(potential)
    with pytest.raises(GraphError, match=r"atoms 1 \(H\) and 2 \(H\) are in one place"):
        water.get_forces()


def test_no_neighbours(potential):
    for atoms in (Atoms("O"), Atoms("CH", positions=[[0, 0, 0], [0, 0, 9]])):
        atoms.calc = EquishareCalculator(potential)
        assert atoms.get_potential_energy() == sum(potential.statistics.reference_energies[s] for s in atoms.symbols)
        assert not atoms.get_forces().any()


def test_a_committee_tells_how_uncertain_it_is(potential):
    atoms = molecule("CH3CH2OH")
    with pytest.raises(PropertyNotImplementedError):
        EquishareCalculator(potential).get_property("energy_uncertainty", atoms)
    potential.committee = Committee(potential.energy.n_inputs, 3).double()
    potential.committee.set_precision(torch.eye(potential.energy.n_inputs), torch.Generator().manual_seed(0))
    (expected,) = potential.predict([atoms], forces_uncertainty=True)
    atoms.calc = EquishareCalculator(potential)
    atoms.get_forces()
    assert atoms.calc.results["energy_uncertainty"] == pytest.approx(expected["energy_uncertainty"], rel=1e-9)
    assert "forces_uncertainty" not in atoms.calc.results  # costs extra
    found = atoms.calc.get_property("forces_uncertainty", atoms)
    assert np.allclose(found, expected["forces_uncertainty"], rtol=1e-9)
    assert found.shape == (9,)


def test_the_hessian_gives_the_frequencies_of_finite_differences(potential, tmp_path):
    atoms = molecule("H2O")
    atoms.calc = EquishareCalculator(potential)
    finite = Vibrations(atoms, name=str(tmp_path / "vib"), delta=1e-3, nfree=4)
    finite.run()
    data = VibrationsData.from_2d(atoms, atoms.calc.get_hessian(atoms))
    assert np.abs(finite.get_frequencies()).max() > 100
    assert np.allclose(data.get_frequencies(), finite.get_frequencies(), atol=0.5)
