"""E0 from isolated atoms, from what is given, and by least squares."""

import dataclasses

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare.atoms import Frame, ReferenceEnergyError, read_frames, reference_energies, split_isolated
from equishare.datasets import path

E0 = {"H": -13.6, "C": -1029.0, "O": -2041.0}


def frame(formula, energy=None):
    atoms = Atoms(formula)
    return Frame(atoms, energy=sum(E0[s] for s in atoms.symbols) if energy is None else energy, file="a.xyz")


@given(st.lists(st.sampled_from(["H2", "H2O", "CH4", "CO2", "C2H6O", "O2"]), min_size=1, max_size=12))
@settings(max_examples=40)
def test_least_squares_reproduces_additive_energies(formulas):
    frames = [frame(f) for f in formulas]
    result = reference_energies(frames)
    for f in frames:
        assert result.total(f.atoms) == pytest.approx(f.energy, abs=1e-6)
    matrix = np.array([[f.atoms.get_chemical_symbols().count(s) for s in result.values] for f in frames])
    deficient = np.linalg.matrix_rank(matrix) < len(result.values)
    assert bool(result.notes) == deficient
    if not deficient:
        assert result.values == pytest.approx({s: E0[s] for s in result.values})


def test_isolated_atoms_are_taken_exactly():
    isolated, rest = split_isolated(read_frames(path("ethanol")))
    result = reference_energies(rest, isolated)
    assert set(result.origins.values()) == {"isolated atom"}
    assert dict(result.values) == {f.atoms.get_chemical_symbols()[0]: f.energy for f in isolated}
    assert result.notes == ()


def test_given_go_before_isolated_before_the_fit():
    result = reference_energies([frame("CH4"), frame("H2O")], [frame("H"), frame("C", -1.0)], {"C": E0["C"]})
    assert dict(result.origins) == {"H": "isolated atom", "C": "given", "O": "least squares"}
    assert result["O"] == pytest.approx(E0["O"])
    assert "fitted to what they leave: O" in result.notes[0]


def test_the_result_cannot_be_changed():
    result = reference_energies([frame("H2O")])
    with pytest.raises(TypeError):
        result.values["H"] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.notes = ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([frame("H2")], [frame("H"), frame("H", -1.0)]), "isolated H has two energies: -13.6 eV in a.xyz@0"),
        (([frame("H2")], [], {"Qq": 1.0}), "expected E0s such as .* got 'Qq'"),
        (([frame("H2")], [], {"H": float("nan")}), "got 'H': nan"),
        (([Frame(Atoms("H2"))],), "no frame with it has an energy"),
        (([frame("H2"), Frame(Atoms("O2"), energy=float("nan"))],), "no frame with it has an energy"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ReferenceEnergyError, match=message):
        reference_energies(*arguments)


def test_a_species_without_a_value():
    result = reference_energies([frame("H2")])
    with pytest.raises(ReferenceEnergyError, match="no reference energy for O; there are: H"):
        result.total(Atoms("H2O"))


def test_an_isolated_atom_without_energy_is_noted():
    result = reference_energies([frame("H2")], [Frame(Atoms("H"), file="b.xyz")])
    assert result.origins["H"] == "least squares"
    assert "b.xyz@0: the isolated H has no energy" in result.notes[0]


def test_ions_are_no_reference_and_of_several_states_the_lowest_is():
    atoms = [
        Frame(Atoms("H"), energy=-13.6, spin=2),
        Frame(Atoms("H"), energy=0.0, charge=1),
        Frame(Atoms("C"), energy=-1029.0, spin=3, index=2),
        Frame(Atoms("C"), energy=-1027.7, spin=1, index=3),
    ]
    result = reference_energies([frame("CH4")], atoms)
    assert dict(result.values) == {"H": -13.6, "C": -1029.0}
    assert "has a charge and is left out" in result.notes[0]
    assert "lowest energy" in result.notes[1]
