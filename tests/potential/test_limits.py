"""Isolated atoms, batches, far copies, and the cutoff."""

import numpy as np
import pytest
import torch
from ase import Atoms

from equishare.nn import Edges
from equishare.potential import UnknownSpeciesError, collate, from_atoms
from equishare.potential.torch_operations import TorchOperations

REFERENCE = {"H": -13.6, "C": -1027.8, "O": -2041.3}  # those of the fixture

DTYPES = [torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_neighbours_exactly_the_reference(make_potential, dtype):
    potential = make_potential(dtype, heads=("dipole",))
    far = Atoms("CHO", positions=[[0, 0, 0], [20, 0, 0], [0, 30, 0]])
    for atoms in (Atoms("O"), Atoms("H", cell=[9, 9, 9], pbc=True), far):
        (found,) = potential.predict([atoms], stress=True)
        assert found["energies"].tolist() == [REFERENCE[s] for s in atoms.symbols]
        assert not found["forces"].any()
        assert not found["stress"].any()
        assert not found["dipole"].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_equals_single(make_potential, structures, dtype):
    """Mixed sizes and kinds, an isolated atom in between."""
    potential = make_potential(dtype, heads=("dipole",))
    frames = [
        structures["molecule"],
        Atoms("C"),
        structures["crystal"],
        structures["slab"],
        Atoms("OH", [[0, 0, 0], [0, 0, 1]]),
    ]
    together = potential.predict(frames, batch_size=16, stress=True)
    in_threes = potential.predict(frames, batch_size=3, stress=True)
    alone = [potential.predict([atoms], stress=True)[0] for atoms in frames]
    tight = 1e-12 if dtype == torch.float64 else 2e-5
    for a, b, c in zip(together, in_threes, alone, strict=True):
        for name in ("energy", "energies", "forces", "stress", "dipole", "charges"):
            scale = np.abs(c["forces"]).max() + 1
            assert np.abs(a[name] - c[name]).max() <= tight * scale + 1e-10
            assert np.abs(b[name] - c[name]).max() <= tight * scale + 1e-10


def test_size_extensive(potential, ethanol):
    """Two copies, far apart: twice the energy, the same forces."""
    copy = ethanol.copy()
    copy.positions += [50.0, 10.0, 0.0]
    one, two = potential.predict([ethanol, ethanol + copy])
    assert two["energy"] == pytest.approx(2 * one["energy"], rel=1e-14)
    assert np.abs(two["forces"] - np.tile(one["forces"], (2, 1))).max() < 1e-12
    assert np.abs(two["dipole"] - 2 * one["dipole"]).max() < 1e-12


def test_charges_sum_to_zero(potential, structures):
    for found in potential.predict(list(structures.values())):
        assert abs(found["charges"].sum()) < 1e-13


def test_edges_beyond_the_cutoff_give_exactly_zero(potential, crystal):
    """Energy, and the gradient of the harmonics included: a list with a skin may hold them."""
    graph = collate([from_atoms(crystal, potential.cutoff + 1.5)])
    vectors = graph.edge_vectors().requires_grad_()
    beyond = vectors.detach().norm(dim=1) > potential.cutoff
    assert 0 < int(beyond.sum()) < len(beyond)
    edges = Edges(graph.edge_index, len(crystal))
    ops = TorchOperations(vectors, potential.species_index(graph.numbers), edges, graph.batch, n_graphs=1)
    features, bonding, _ = potential.net(ops, potential.energy.last, 1.0)
    (gradient,) = torch.autograd.grad(sum(out.sum() for out in (*features, bonding)), vectors)
    assert not gradient[beyond].any()
    assert gradient[~beyond].any()
    near, far = (potential(collate([from_atoms(crystal, cutoff)])) for cutoff in (4.0, 5.5))
    assert torch.allclose(near.node_energy, far.node_energy, rtol=1e-15, atol=1e-12)
    assert torch.allclose(near.forces, far.forces, rtol=0, atol=1e-13)


@pytest.mark.parametrize("company", [False, True], ids=["dimer", "in company"])
def test_smooth_as_an_atom_crosses_the_cutoff(potential, ethanol, company):
    """Energy, force and the force's slope go to their values beyond the cutoff without a step."""
    cutoff = potential.cutoff
    anchor = ethanol.copy() if company else Atoms("C", positions=[[0, 0, 0]])
    direction = np.array([1.0, 0.0, 0.0]) if not company else np.array([0.0, 0.0, 1.0])
    anchor.positions -= anchor.positions[np.argmax(anchor.positions @ direction)]

    def at(distances):
        frames = [anchor + Atoms("H", positions=[d * direction]) for d in distances]
        found = potential.predict(frames)
        energies = np.array([f["energy"] for f in found]) - sum(REFERENCE[s] for s in frames[0].symbols)
        return energies, np.array([f["forces"][-1] @ direction for f in found])

    def slope(d, h=1e-5):
        return (at([d + h])[1] - at([d - h])[1])[0] / (2 * h)

    inner = np.linspace(0.4 * cutoff, 0.9 * cutoff, 15)
    energies, forces = at(inner)
    scales = np.ptp(energies), np.abs(forces).max(), max(abs(slope(d)) for d in inner)
    steps = []
    for delta in (1e-2, 1e-3):
        (e_in, e_out), (f_in, f_out) = at([cutoff - delta, cutoff + delta])
        steps.append(
            [
                abs(e_in - e_out) / scales[0],
                abs(f_in - f_out) / scales[1],
                abs(slope(cutoff - delta) - slope(cutoff + delta)) / scales[2],
            ]
        )
    coarse, fine = steps
    # at a distance delta inside, a cubic envelope leaves delta^3, delta^2, delta; in company, the rest's slope times delta
    assert fine[2] < 0.02
    for a, b in zip(coarse, fine, strict=True):
        assert b < 0.3 * a


def test_unknown_species(potential):
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]])
    with pytest.raises(UnknownSpeciesError, match=r"knows H, C, O, but the structure holds Na, Cl"):
        potential.predict([atoms])
    with pytest.raises(UnknownSpeciesError, match="Z=120"):
        potential.species_index(torch.tensor([1, 120]))


@pytest.mark.parametrize(
    "config",
    [
        {"layers": 1},
        {"layers": 3},
        {"body_order": 2},
        {"body_order": 5},
        {"l_features": 0},
        {"l_density": 1},
        {"channels": 1},
    ],
)
def test_every_shape_of_the_network_runs(make_potential, ethanol, config):
    potential = make_potential(torch.float32, **config)
    (found,) = potential.predict([ethanol])
    assert np.isfinite(found["forces"]).all()
    assert np.abs(found["forces"]).max() > 0
