"""Which frames to label next: the largest determinant, no copies, and what the hot frames of a cold potential teach."""

from itertools import combinations

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.io import write

from equishare.atoms import read_unlabelled
from equishare.potential import Committee, Potential
from equishare.training.selection import SelectionError, largest_determinant, select, write_selection


def test_greedy_choice_is_the_largest_determinant_at_every_step():
    rows = np.random.default_rng(0).normal(size=(12, 5))
    chosen = largest_determinant(rows, 5)
    for n in range(1, 6):
        determinants = {
            k: np.linalg.det(rows[[*chosen[: n - 1], k]] @ rows[[*chosen[: n - 1], k]].T)
            for k in range(12)
            if k not in chosen[: n - 1]
        }
        assert max(determinants, key=determinants.get) == chosen[n - 1]
    # greedy is not the best of all, but near it
    best = max(np.linalg.det(rows[list(s)] @ rows[list(s)].T) for s in combinations(range(12), 5))
    assert np.linalg.det(rows[chosen] @ rows[chosen].T) > 0.2 * best


def test_copies_come_last():
    rows = np.random.default_rng(1).normal(size=(6, 20))
    three_times = np.repeat(rows, 3, axis=0)
    assert sorted(index // 3 for index in largest_determinant(three_times, 6)) == list(range(6))
    assert len(set(largest_determinant(three_times, 18))) == 18


def test_more_rows_than_dimensions_begin_anew():
    rows = np.random.default_rng(2).normal(size=(30, 3))
    chosen = largest_determinant(rows, 30)
    assert sorted(chosen) == list(range(30))
    assert abs(np.linalg.det(rows[chosen[3:6]])) > 1e-3


@pytest.fixture
def uncertain(small_potential):
    potential = small_potential.double().eval()
    potential.committee = Committee(potential.energy.n_inputs, 2).double()
    potential.committee.set_precision(torch.eye(potential.energy.n_inputs), torch.Generator().manual_seed(0))
    return potential


def test_the_first_choice_is_the_most_uncertain_frame(uncertain):
    rng = np.random.default_rng(0)
    pool = []
    for _ in range(8):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(scale=0.15, size=(3, 3))
        pool += [atoms, atoms.copy()]
    spread = [row["energy_uncertainty"] for row in uncertain.predict(pool)]
    chosen = select(uncertain, pool, 4)
    assert spread[chosen[0]] == pytest.approx(max(spread))
    assert len({index // 2 for index in chosen}) == 4


def test_the_charge_of_a_frame_counts(small_potential):
    config = small_potential.config.model_copy(update={"conditions": ("charge",)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        charged = Potential(config, small_potential.statistics).double().eval()
    charged.committee = Committee(charged.energy.n_inputs, 2).double()
    charged.committee.set_precision(torch.eye(charged.energy.n_inputs), torch.Generator().manual_seed(0))
    pool = [molecule("H2O") for _ in range(3)]
    for charge, atoms in enumerate(pool, start=-1):
        atoms.info["charge"] = charge
    spread = [row["energy_uncertainty"] for row in charged.predict(pool)]
    order = np.argsort(spread)
    assert select(charged, [pool[k] for k in order], 1) == [2]
    assert np.ptp(spread) > 0


def test_what_is_written_keeps_the_charge(tmp_path):
    cation = molecule("H2O")
    cation.info.update(total_charge=1, energy=-3.0)
    write(tmp_path / "pool.xyz", cation, format="extxyz")
    pool = read_unlabelled([tmp_path / "pool.xyz"])
    write_selection(
        tmp_path / "chosen.xyz", pool, [{"energy_uncertainty": 0.1, "forces_uncertainty": np.zeros(3, np.float32)}]
    )
    (chosen,) = read_unlabelled([tmp_path / "chosen.xyz"])
    assert chosen.conditions == {"charge": 1}
    assert "energy" not in chosen.atoms.info


def test_what_cannot_be_chosen(uncertain):
    with pytest.raises(SelectionError, match="from 1 to 2"):
        select(uncertain, [molecule("H2O")] * 2, 3)
    uncertain.committee = None
    with pytest.raises(SelectionError, match="--committee"):
        select(uncertain, [molecule("H2O")], 1)
