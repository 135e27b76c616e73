"""Relaxation, on Lennard-Jones crystals and clusters whose minima are known."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones

from equishare.simulate import relax as module
from equishare.simulate.relax import RelaxError, relax


def argon(a=5.4):
    atoms = bulk("Ar", "fcc", a=a, cubic=True)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True)
    return atoms


@pytest.mark.parametrize("many", [2, 200])
def test_a_cluster_goes_to_its_minimum(many, monkeypatch):
    """Four atoms of Lennard-Jones: a tetrahedron, energy -6, by either optimizer."""
    monkeypatch.setattr(module, "MANY", many)
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.45
    atoms = Atoms("Ar4", corners + np.random.default_rng(0).normal(scale=0.05, size=(4, 3)))
    atoms.calc = LennardJones(rc=100.0)
    before = atoms.positions.copy()
    found = relax(atoms, fmax=1e-5)
    assert found.converged
    assert found.rows[-1].energy == pytest.approx(-6.0, abs=1e-8)
    assert found.rows[-1].max_force < 1e-5
    assert [row.step for row in found.rows] == [*range(len(found.rows))]
    assert len(found.path) == len(found.rows)
    assert found.path[0].get_potential_energy() == found.rows[0].energy
    assert np.array_equal(atoms.positions, before)


def test_a_cell_goes_to_zero_stress():
    found = relax(argon(), cell=True, fmax=1e-4, smax=1e-6)
    assert found.converged
    assert np.abs(found.atoms.get_stress()).max() < 1e-6
    volume = found.atoms.get_volume()
    for scale in (0.999, 1.001):
        other = found.atoms.copy()
        other.set_cell(other.cell * scale, scale_atoms=True)
        other.calc = found.atoms.calc
        assert other.get_potential_energy() > found.rows[-1].energy
    assert found.rows[-1].volume == pytest.approx(volume)
    assert not relax(argon(), cell=True, steps=1).converged


def test_bad_numbers():
    with pytest.raises(RelaxError, match="must be positive"):
        relax(argon(), fmax=0.0)
    atoms = argon()
    atoms.pbc = [True, True, False]
    with pytest.raises(RelaxError, match="periodic along all three"):
        relax(atoms, cell=True)
