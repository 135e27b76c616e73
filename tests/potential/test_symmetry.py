"""The whole model under rotations, reflections, translations, permutations, wrapping and repetition of cells.

Errors are compared with a measured noise floor: the distance between float32 and float64 of the same model.
"""

import numpy as np
import pytest
import torch

from equishare.potential import collate, from_atoms

KINDS = ["molecule", "crystal", "slab"]
DTYPES = [torch.float32, torch.float64]
QUANTITIES = ("energy", "energies", "forces", "stress", "dipole")


@pytest.fixture(scope="module")
def potentials(make_potential):
    return {dtype: make_potential(dtype, heads=("dipole",)) for dtype in DTYPES}


def predict(potential, atoms):
    """Energies without the isolated atoms', forces, stress and dipole as float64 arrays."""
    prediction = potential(collate([from_atoms(atoms, potential.cutoff)]), stress=True)
    reference = np.array([potential.statistics.reference_energies[s] for s in atoms.symbols])
    return {
        "energy": prediction.interaction_energy.detach().double().numpy(),
        "energies": prediction.node_energy.detach().numpy() - reference,
        "forces": prediction.forces.detach().double().numpy(),
        "stress": prediction.stress.detach().double().numpy()[0],
        "dipole": prediction.dipole.detach().double().numpy()[0],
    }


def floors(potentials, atoms, dtype):
    low, high = (predict(potentials[d], atoms) for d in DTYPES)
    factor = 1.0 if dtype == torch.float32 else 2.0**-29
    eps = torch.finfo(torch.float32).eps
    return {k: factor * (np.linalg.norm(low[k] - high[k]) + eps * np.linalg.norm(high[k])) for k in QUANTITIES}


def assert_equal(found, expected, floor, names=QUANTITIES, factor=20):
    for name in names:
        error = np.linalg.norm(found[name] - expected[name])
        # the noise of the reference energies, which are subtracted again here, is that of float64
        bound = factor * floor[name] + (1e-11 if name == "energies" else 1e-14)
        assert error <= bound, f"{name}: error {error:.1e}, noise floor {floor[name]:.1e}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "improper"])
@pytest.mark.parametrize("kind", KINDS)
def test_orthogonal_group(potentials, structures, orthogonal, kind, improper, dtype):
    atoms = structures[kind]
    before, floor = predict(potentials[dtype], atoms), floors(potentials, atoms, dtype)
    for _ in range(2):
        g = orthogonal(improper).numpy()
        moved = atoms.copy()
        moved.positions = atoms.positions @ g.T
        moved.cell = np.asarray(atoms.cell) @ g.T
        expected = {
            "energy": before["energy"],
            "energies": before["energies"],
            "forces": before["forces"] @ g.T,
            "stress": g @ before["stress"] @ g.T,
            "dipole": g @ before["dipole"],
        }
        assert_equal(predict(potentials[dtype], moved), expected, floor)


@pytest.mark.parametrize("kind", KINDS)
def test_translation_and_origin(potentials, structures, kind):
    """The dipole too: the mean charge is taken off."""
    atoms = structures[kind]
    moved = atoms.copy()
    moved.positions += [3.0, -2.0, 5.0]
    floor = floors(potentials, atoms, torch.float64)
    assert_equal(predict(potentials[torch.float64], moved), predict(potentials[torch.float64], atoms), floor)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_permutation(potentials, structures, kind, dtype):
    atoms = structures[kind]
    order = torch.randperm(len(atoms)).numpy()
    before, after = (predict(potentials[dtype], a) for a in (atoms, atoms[order]))
    expected = before | {"energies": before["energies"][order], "forces": before["forces"][order]}
    assert_equal(after, expected, floors(potentials, atoms, dtype))


@pytest.mark.parametrize("kind", ["crystal", "slab"])
def test_wrapped_atoms(potentials, structures, kind):
    """The dipole of a periodic structure depends on the images chosen; everything else does not."""
    atoms = structures[kind]
    wrapped = atoms.copy()
    wrapped.wrap()
    assert np.abs(wrapped.positions - atoms.positions).max() > 1
    found, expected = (predict(potentials[torch.float64], a) for a in (wrapped, atoms))
    assert_equal(found, expected, floors(potentials, atoms, torch.float64), names=QUANTITIES[:-1])


@pytest.mark.parametrize("repeat", [(2, 1, 1), (1, 3, 2)])
def test_supercell(potentials, crystal, repeat):
    n = int(np.prod(repeat))
    one, many = (predict(potentials[torch.float64], a) for a in (crystal, crystal.repeat(repeat)))
    expected = {
        "energy": n * one["energy"],
        "energies": np.tile(one["energies"], n),
        "forces": np.tile(one["forces"], (n, 1)),
        "stress": one["stress"],
    }
    floor = {k: n * v for k, v in floors(potentials, crystal, torch.float64).items()}
    assert_equal(many, expected, floor, names=QUANTITIES[:-1])


def test_another_description_of_the_same_lattice(potentials, crystal):
    other = crystal.copy()
    other.set_cell(np.array([[1, 0, 0], [1, 1, 0], [0, -2, 1]]) @ np.asarray(crystal.cell))
    found, expected = (predict(potentials[torch.float64], a) for a in (other, crystal))
    assert_equal(found, expected, floors(potentials, crystal, torch.float64), names=QUANTITIES[:-1])


def test_no_force_and_no_torque_in_all(potentials, ethanol):
    forces = predict(potentials[torch.float64], ethanol)["forces"]
    assert np.linalg.norm(forces.sum(0)) < 1e-12
    assert np.linalg.norm(np.cross(ethanol.positions, forces).sum(0)) < 1e-12


def test_a_broken_model_is_found(make_potential, potentials, ethanol, orthogonal):
    """The tests above can fail: one vector channel with a constant added breaks the symmetry visibly."""
    broken = make_potential(torch.float64, heads=("dipole",))
    layer = broken.net.layers[0]
    layer.register_forward_hook(lambda module, inputs, out: out + torch.eye(4, dtype=out.dtype)[2].view(1, 4, 1) * 1e-6)
    g = orthogonal(False).numpy()
    moved = ethanol.copy()
    moved.positions = ethanol.positions @ g.T
    with pytest.raises(AssertionError, match="noise floor"):
        assert_equal(
            predict(broken, moved),
            predict(broken, ethanol),
            floors(potentials, ethanol, torch.float64),
            names=["energy"],
        )
