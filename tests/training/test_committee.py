"""A committee after a fit: the posterior's precision against brute force, calibration, and no hole with a repulsion."""

import numpy as np
import pytest
import torch
from ase import Atoms

from equishare.errors import EquishareError
from equishare.potential import ModelConfig, collate, load
from equishare.training import committee
from equishare.training.committee import _precision, add_committee, check_members
from equishare.training.config import OptimisationConfig
from equishare.training.data.labelled_graphs import labelled_graphs
from equishare.training.evaluation.evaluate import evaluate_graphs
from equishare.training.fit import fit

SMALL = ModelConfig(cutoff=3.0)


@pytest.fixture
def graphs(mixed_frames):
    # all labels of water and the crystal
    return labelled_graphs([mixed_frames[index] for index in (0, 1, 5)], SMALL, torch.float64)


@pytest.mark.parametrize("directions", [1, 3])
@pytest.mark.parametrize("whole", [True, False])
def test_precision_sums_over_energies_and_random_directions_of_the_forces(
    small_potential, graphs, whole, directions, monkeypatch
):
    """Along v the features change by J v, and over random v the mean of (J v)(J v)^T is J J^T: all force components.

    Frames weigh what they weigh in the loss, and labels that are not there count nothing.
    """
    monkeypatch.setattr(committee, "_STEP", 1e-5)  # so that what its square leaves out is less than the test sees
    monkeypatch.setattr(committee, "n_directions", lambda **sizes: directions)
    potential = small_potential.double().eval()
    if not whole:
        for graph, weight in zip(graphs, (0.5, 2.0, 1.0), strict=True):
            graph["weight"] = torch.tensor([weight])
        graphs[0].energy = torch.full_like(graphs[0].energy, torch.nan)
        graphs[1].forces[1:3] = torch.nan
    weights = OptimisationConfig(weights={"energy": 2.0, "forces": 3.0}, size_exponent=0.5)
    found = _precision(potential, graphs, weights, torch.Generator().manual_seed(0))
    components = sum(int(graph.forces.isfinite().sum()) for graph in graphs)
    energies = sum(int(graph.energy.isfinite().sum()) for graph in graphs)
    n_atoms = sum(len(graph.numbers) for graph in graphs)
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(n_atoms, 3, generator=generator, dtype=torch.float64) for _ in range(directions)]
    last = [readout.last.weight for readout in potential.energy.readouts]
    expected = torch.zeros_like(found)
    sizes = [len(graph.numbers) for graph in graphs]
    for graph, *moves in zip(graphs, *(draw.split(sizes) for draw in draws), strict=True):
        single = collate([graph])
        single.positions = single.positions.clone().requires_grad_()
        energy = potential(single, forces=False).interaction_energy.sum() / potential.statistics.scale
        phi = torch.cat([g.ravel() for g in torch.autograd.grad(energy, last, create_graph=True)])
        rows = torch.stack([torch.autograd.grad(p, single.positions, retain_graph=True)[0].ravel() for p in phi])
        slopes = rows @ torch.stack([(move * graph.forces.isfinite()).ravel() for move in moves], dim=1)
        weight = float(graph.get("weight", torch.ones(1)))
        if graph.energy.isfinite():
            expected += weight * 2.0 * components / energies / len(graph.numbers) * torch.outer(phi, phi).detach()
        expected += weight * 3.0 / directions * slopes @ slopes.T
    assert torch.allclose(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


def test_few_frames_tell_of_more_features_along_more_directions(small_potential, graphs, monkeypatch):
    potential = small_potential.double().eval()

    def told() -> int:
        values = torch.linalg.eigvalsh(
            _precision(potential, graphs, OptimisationConfig(), torch.Generator().manual_seed(0))
        )
        return int((values > 1e-6 * values[-1]).sum())

    as_it_is = told()
    monkeypatch.setattr(committee, "n_directions", lambda **sizes: 1)
    assert told() <= len(graphs) < as_it_is


def test_validation_frames_set_the_factors(small_potential, graphs):
    potential = small_potential.double().eval()
    add_committee(potential, graphs, graphs, 4, OptimisationConfig())
    frames = evaluate_graphs(potential, graphs).frames
    error = np.concatenate([f.predicted["forces"] - f.labels["forces"] for f in frames])
    spread = np.concatenate([f.uncertainties["forces"] for f in frames])
    assert np.sqrt(np.mean(spread**2)) == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-6)
    energy = [f.energy_error for f in frames], [f.uncertainties["energy"] for f in frames]
    assert np.sqrt(np.mean(np.square(energy[0]))) == pytest.approx(np.sqrt(np.mean(np.square(energy[1]))), rel=1e-6)


def test_without_energies_the_forces_calibrate_both(small_potential, graphs):
    for graph in graphs:
        graph.energy = torch.full_like(graph.energy, torch.nan)
    potential = small_potential.double().eval()
    add_committee(potential, graphs, graphs, 4, OptimisationConfig())
    assert potential.committee.energy_factor == potential.committee.forces_factor > 0


def test_the_same_seed_gives_the_same_members(small_potential, graphs):
    potential = small_potential.double().eval()
    members = []
    for seed in (0, 0, 1):
        add_committee(potential, graphs, graphs, 4, OptimisationConfig(), seed=seed)
        members.append(potential.committee.directions)
    assert torch.equal(members[0], members[1])
    assert not torch.equal(members[0], members[2])


def test_more_members_than_features_are_refused(tiny):
    with pytest.raises(EquishareError, match="has 8 members at most"):
        check_members(9, tiny().model.architecture)


@pytest.fixture(scope="module")
def pressed(tiny, tmp_path_factory):
    """Runs with and without repulsion, otherwise the same."""
    found = {}
    for name in ("zbl", None):
        out = tmp_path_factory.mktemp("run") / str(name)
        run = fit(tiny(model={"repulsion": name}, run={"out": str(out)}, uncertainty={"committee": 2 if name else 0}))
        found[name] = run, load(run.folder.model)
    return found


def scan(potential, pair, distances):
    frames = [Atoms(pair, [[0, 0, 0], [0, 0, r]]) for r in distances]
    found = potential.predict(frames, batch_size=64)
    zero = sum(potential.statistics.reference_energies[symbol] for symbol in pair)
    # the force on the second atom: positive pushes apart
    return np.array([f["energy"] - zero for f in found]), np.array([f["forces"][1, 2] for f in found])


def is_a_hole(potential, pair):
    """Whether two atoms that come together find a place below 0.3 Å from which no force brings them back."""
    distances = np.arange(0.3, 4.0, 0.01)
    energy, force = scan(potential, pair, distances)
    deepest = distances[np.argmin(energy)]
    return bool(energy[0] < energy.max() or force[0] <= 0 or deepest < 0.5)


def test_no_pair_of_elements_falls_into_a_hole(pressed):
    potential = pressed["zbl"][1].double()
    pairs = [(a, b) for a in potential.species for b in potential.species if a <= b]
    assert len(pairs) == 6  # O-O too, which no frame of ethanol holds
    for pair in pairs:
        assert not is_a_hole(potential, pair), pair
        closest = potential.statistics.min_distance["-".join(sorted(pair))]
        distances = np.arange(0.3, 0.85 * closest * 2 / 3, 0.01)
        energy, force = scan(potential, pair, distances)
        assert (force > 0).all(), pair
        assert (np.diff(energy) < 0).all(), pair
        assert energy[0] > 5.0, pair  # eV


def test_the_scan_finds_holes_where_there_is_no_repulsion(pressed):
    potential = pressed[None][1].double()
    assert any(is_a_hole(potential, (a, b)) for a in potential.species for b in potential.species if a <= b)


def test_the_repulsion_disturbs_no_training_frame(pressed):
    run, potential = pressed["zbl"]
    for frame in run.data.split.train:
        distances = frame.atoms.get_all_distances()
        for i, j in np.argwhere(np.triu(distances, 1) > 0):
            name = "-".join(sorted((frame.atoms.symbols[i], frame.atoms.symbols[j])))
            assert distances[i, j] >= potential.statistics.min_distance[name] * (1 - 1e-9) or distances[i, j] > 3.0
    assert potential.statistics.min_distance["O-O"] == potential.cutoff


def test_a_committee_changes_no_weight_and_no_prediction(pressed, tiny, tmp_path):
    plain = fit(tiny(model={"repulsion": "zbl"}, run={"out": str(tmp_path / "plain")}))
    ours, potential = pressed["zbl"]
    assert ours.evaluations["test"].metrics() == plain.evaluations["test"].metrics()
    assert potential.committee.members == 2
    assert plain.evaluations["test"].frames[0].uncertainties == {}
    assert ours.evaluations["test"].frames[0].uncertainties["energy"] > 0
