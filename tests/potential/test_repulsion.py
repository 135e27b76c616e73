"""The repulsion of nuclei: the published formula, nothing where there are data, smooth, no hole, whatever the network says."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import chemical_symbols

from equishare.nn import Edges
from equishare.potential import ZBL, ModelConfig, load, save

CLOSEST = {"C-C": 1.3, "C-H": 0.95, "H-H": 1.4, "C-O": 1.2, "H-O": 0.9}


def energy(zbl, length, first=0, second=1):
    """Of a pair of atoms, from both of its edges."""
    vectors = torch.tensor([[0.0, 0.0, length], [0.0, 0.0, -length]], dtype=torch.float64)
    edges = Edges(torch.tensor([[0, 1], [1, 0]]), 2)
    seen, atoms = zbl(vectors, torch.tensor([first, second]), edges)
    return float(atoms.sum()), float(seen[0].norm())


@pytest.mark.parametrize("pair", [(1, 1), (1, 8), (6, 6), (14, 29), (79, 79)])
def test_the_published_formula(pair):
    symbols = [chemical_symbols[z] for z in pair]
    zbl = ZBL(symbols, {"-".join(sorted(symbols)): 30.0}).double()  # whole out to 17 Å
    for r in (0.05, 0.3, 1.0, 3.0):
        x = r / (0.8854 * 0.529177 / (pair[0] ** 0.23 + pair[1] ** 0.23))
        terms = (0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162)
        expected = 14.399645 * pair[0] * pair[1] / r * sum(c * math.exp(-d * x) for c, d in terms)
        assert energy(zbl, r)[0] == pytest.approx(expected, rel=1e-5)


def test_nothing_where_there_are_data_and_a_constant_to_the_network_below():
    zbl = ZBL(("H", "O"), {"H-O": 1.0}).double()
    for r in (0.85, 0.9, 2.0, 4.9):
        assert energy(zbl, r) == (0.0, pytest.approx(r, rel=1e-15))
    inner = 0.85 * 2 / 3
    for r in (0.1, 0.3, 0.5):
        assert energy(zbl, r)[1] == pytest.approx((inner + 0.85) / 2, rel=1e-14)
    # a pair that the data never hold begins below every bond
    assert energy(zbl, 0.75 * 2 * 0.66, 1, 1)[0] == 0.0
    assert energy(zbl, 0.5 * 2 * 0.66, 1, 1)[0] > 1.0


def test_two_derivatives_are_continuous():
    zbl = ZBL(("C", "H"), CLOSEST).double()
    outer = 0.85 * 0.95
    for where in (2 / 3 * outer, outer):
        step = 1e-3
        for column in (0, 1):
            left, right = ([energy(zbl, where + side * k * step)[column] for k in range(1, 5)] for side in (-1.0, 1.0))
            # cubic extrapolation from either side: value, slope and curvature agree to the order of the third derivative
            weights = {0: (4, -6, 4, -1), 1: (-13 / 3, 9.5, -7, 11 / 6), 2: (3, -8, 7, -2)}
            for order, w in weights.items():
                a, b = (float(np.dot(w, values)) / step**order for values in (left, right))
                jump = abs(a - (-1.0) ** order * b)
                assert jump < {0: 1e-7, 1: 1e-3, 2: 0.7}[order] * max(1.0, abs(energy(zbl, 0.6 * outer)[0]))


def test_wrong_distances_are_refused():
    with pytest.raises(ValueError, match="above zero"):
        ZBL(("H",), {"H-H": 0.0})


@pytest.fixture(scope="module")
def pair_of_potentials(make_potential):
    """The same random network without and with repulsion."""
    without = make_potential()
    with_zbl = type(without)(
        without.config.model_copy(update={"repulsion": "zbl"}),
        without.statistics.model_copy(update={"min_distance": CLOSEST}),
    ).double()
    with_zbl.load_state_dict(without.state_dict())
    return without, with_zbl.eval()


def test_a_structure_like_the_data_is_not_disturbed(pair_of_potentials, ethanol, crystal):
    without, with_zbl = pair_of_potentials
    for atoms in (ethanol, crystal):
        a, b = (p.predict([atoms], stress=True)[0] for p in (without, with_zbl))
        assert a["energy"] == pytest.approx(b["energy"], abs=1e-10)
        assert np.allclose(a["forces"], b["forces"], rtol=0, atol=1e-10)
        assert np.allclose(a["stress"], b["stress"], rtol=0, atol=1e-12)


def test_forces_and_stress_of_pressed_atoms_are_derivatives(pair_of_potentials, crystal):
    potential = pair_of_potentials[1]
    pressed = crystal.copy()
    pressed.set_cell(0.45 * np.asarray(crystal.cell), scale_atoms=True)
    (found,) = potential.predict([pressed], stress=True)
    assert np.abs(found["forces"]).max() > 10
    step = 1e-5
    for atom, axis in ((0, 1), (3, 2)):
        ends = []
        for sign in (1, -1):
            moved = pressed.copy()
            moved.positions[atom, axis] += sign * step
            ends.append(potential.predict([moved])[0]["energy"])
        assert -(ends[0] - ends[1]) / (2 * step) == pytest.approx(found["forces"][atom, axis], rel=1e-5, abs=1e-4)
    ends = []
    for sign in (1, -1):
        strained = pressed.copy()
        strained.set_cell((1 + sign * step) * np.asarray(pressed.cell), scale_atoms=True)
        ends.append(potential.predict([strained])[0]["energy"])
    slope = (ends[0] - ends[1]) / (2 * step) / pressed.get_volume()
    assert slope == pytest.approx(float(np.trace(found["stress"])), rel=1e-5)


def test_two_atoms_feel_the_formula_alone_when_they_are_pressed(pair_of_potentials):
    potential = pair_of_potentials[1]
    zbl = ZBL(("H", "C", "O"), CLOSEST).double()
    for first, second in (("C", "H"), ("C", "O"), ("H", "H")):
        index = [potential.species.index(symbol) for symbol in (first, second)]
        e = [
            potential.predict([Atoms([first, second], [[0, 0, 0], [0, 0, r]])])[0]["energy"] - energy(zbl, r, *index)[0]
            for r in (0.2, 0.3, 0.5)
        ]
        assert e == pytest.approx([e[0]] * 3, abs=1e-9)


def test_isolated_atoms_keep_their_energy(pair_of_potentials):
    potential = pair_of_potentials[1]
    assert potential.predict([Atoms("C")])[0]["energy"] == potential.statistics.reference_energies["C"]


def test_it_is_in_the_model_file(pair_of_potentials, tmp_path):
    potential = pair_of_potentials[1]
    save(potential, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.config == ModelConfig(**{**potential.config.model_dump(), "repulsion": "zbl"})
    assert again.statistics.min_distance == CLOSEST
    pressed = Atoms("CH", [[0, 0, 0], [0, 0, 0.4]])
    assert again.predict([pressed])[0]["energy"] == potential.predict([pressed])[0]["energy"]


def test_is_felt_where_it_changes_something():
    zbl = ZBL(("H", "O"), {"H-O": 0.93, "H-H": 1.5}).double()
    species, edges = torch.tensor([0, 1, 0]), Edges(torch.tensor([[0, 2], [1, 0]]), 3)
    for h_o, h_h in ((0.93 * 0.851, 1.5 * 0.851), (0.93 * 0.849, 1.5), (0.93, 1.5 * 0.849)):
        vectors = torch.tensor([[0.0, 0.0, h_o], [0.0, -h_h, 0.0]], dtype=torch.float64)
        seen, energy = zbl(vectors, species, edges)
        changes = not torch.allclose(seen, vectors, atol=1e-14) or bool(energy.abs().max() > 0)
        assert zbl.is_felt(vectors.numpy(), np.array([1, 0]), np.array([0, 0])) == changes
