"""What is filled in before the first step."""

import numpy as np
import pytest

from equishare import datasets
from equishare.atoms.frame import Frame
from equishare.training.data.graph_parts import GraphParts
from equishare.training.data.prepare import Parts, prepare
from equishare.training.initial import complete


@pytest.mark.parametrize(
    ("name", "weights", "energy", "forces"),
    [
        ("ethanol", {}, 1.0, 1.0),
        ("dry_ice", {}, 15 / 96, 1.0),
        ("dry_ice", {"energy": 3.0}, 3.0, 1.0),
        ("dry_ice", {"forces": 0.5}, 15 / 96, 0.5),
    ],
)
def test_energies_of_large_frames_count_less(tiny, name, weights, energy, forces):
    frames = []
    for atoms in datasets.load(name)[:20]:
        times = 8 if atoms.pbc.all() else 1
        labels = {"energy": times * atoms.get_potential_energy(), "forces": np.tile(atoms.get_forces(), (times, 1))}
        frames.append(Frame(atoms * 2 if times > 1 else atoms, **labels))
    config = tiny(optimisation={"weights": weights})
    data = prepare(config, Parts(frames, 0.1, 0.1), None)
    found = complete(config, data, GraphParts.of(data, config).train).optimisation.weights
    assert (found["energy"], found["forces"]) == (pytest.approx(energy), forces)
