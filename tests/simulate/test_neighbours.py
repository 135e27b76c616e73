"""Kept lists of neighbours."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list

from equishare.potential import GraphError
from equishare.simulate.neighbours import NeighbourList


@pytest.mark.parametrize("atoms", [molecule("CH3CH2OH"), bulk("NaCl", "rocksalt", 5.64, cubic=True)], ids=str)
def test_pairs_after_a_move_are_those_of_a_new_list(atoms):
    listed = NeighbourList.of(atoms, 4.0)
    moved = atoms.copy()
    moved.positions += np.random.default_rng(0).normal(scale=0.1, size=moved.positions.shape)
    assert listed.covers(moved, skin=1.0)
    pairs = listed.within(moved, 3.0)
    i, j, vectors = neighbor_list("ijD", moved, 3.0)
    found, expected = (
        np.column_stack([*ends, np.round(v, 9)])
        for ends, v in (((pairs.receiver, pairs.sender), pairs.vectors), ((i, j), vectors))
    )
    assert found.shape == expected.shape
    assert found[np.lexsort(found.T)] == pytest.approx(expected[np.lexsort(expected.T)], abs=1e-8)
    assert (np.diff(pairs.receiver) >= 0).all()


def test_a_list_is_kept_while_the_cell_breathes():
    atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True)
    listed = NeighbourList.of(atoms, 4.0)
    for scale, covered in ((1.02, True), (0.99, True), (0.7, False)):
        other = atoms.copy()
        other.set_cell(atoms.cell.array * scale + np.diag([0.02, 0.0, -0.01]), scale_atoms=True)
        other.positions += np.random.default_rng(1).normal(scale=0.03, size=other.positions.shape)
        assert listed.covers(other, skin=1.0) == covered
        if covered:
            pairs = listed.within(other, 3.0)
            _, _, vectors = neighbor_list("ijD", other, 3.0)
            assert np.sort(vectors.ravel()) == pytest.approx(np.sort(pairs.vectors.ravel()))


def test_a_list_does_not_cover_what_is_another_structure():
    atoms = bulk("NaCl", "rocksalt", 5.64, cubic=True)
    listed = NeighbourList.of(atoms, 4.0)
    for change in ("numbers", "cell", "pbc", "positions", "nan"):
        other = atoms.copy()
        if change == "numbers":
            other.numbers[0] = 19
        elif change == "cell":
            other.cell[0, 0] += 1.2
        elif change == "pbc":
            other.pbc = [True, True, False]
        else:
            other.positions[0, 0] += 0.6 if change == "positions" else np.nan
        assert not listed.covers(other, skin=1.0), change
    with pytest.raises(GraphError, match="not finite"):
        NeighbourList.of(other, 4.0)
