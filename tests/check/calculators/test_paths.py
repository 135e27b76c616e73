"""Paths: where they go, and that tangents are derivatives."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from faulty_calculators import crystal, ethanol

from equishare.check.calculators.paths import paths_of


@pytest.mark.parametrize("make", [ethanol, crystal, lambda: molecule("C6H6"), lambda: molecule("CO2")])
@pytest.mark.parametrize("seed", range(3))
def test_tangents_are_derivatives(make, seed):
    for path in paths_of(make(), seed):
        for x in np.linspace(*path.span, 5):
            numeric = (path.positions(x + 1e-5) - path.positions(x - 1e-5)) / 2e-5
            assert np.abs(numeric - path.tangent(x)).max() < 1e-8, path.name


def test_a_molecule_has_all_four():
    names = [path.name for path in paths_of(ethanol(), 0)]
    assert [name.split()[1] for name in names] == ["ray", "bond", "angle", "torsion"]
    assert [p.name for p in paths_of(ethanol(), 1)] != names
    assert [path.name for path in paths_of(Atoms("Ar"), 0)] == ["a ray of Ar0"]


def test_a_torsion_comes_back_and_keeps_bonds():
    atoms = ethanol()
    path = next(p for p in paths_of(atoms, 0) if "torsion" in p.name)
    assert np.allclose(path.positions(2 * np.pi), atoms.positions)
    i, j = 0, 1  # the bond C0-C1
    for x in (1.0, 2.0):
        moved = path.positions(x)
        assert np.linalg.norm(moved[i] - moved[j]) == pytest.approx(atoms.get_distance(i, j))
