"""The loss against a plain computation, its masks, and that it can be differentiated."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from equishare.potential import collate
from equishare.training.config import OptimisationConfig
from equishare.training.data.labelled_graphs import labelled_graphs
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.loss import batch_loss, evaluation_loss

WEIGHTS = OptimisationConfig(weights={"energy": 0.3, "forces": 2.0, "stress": 0.7, "dipole": 0.4}, size_exponent=0.5)


def plain_loss(potential, frames, scale):
    """The formula, property by property, with a frame's weight on each of its components."""
    rows = potential.predict([frame.atoms for frame in frames], stress=True)
    squares = {name: [] for name in WEIGHTS.weights}
    for frame, row in zip(frames, rows, strict=True):
        n, volume = len(frame.atoms) ** WEIGHTS.size_exponent, frame.atoms.cell.volume
        unit = {"energy": n * scale, "forces": scale, "stress": n * scale / max(volume, 1e-30), "dipole": n}
        for name in squares:
            label = frame.label(name)
            if label is not None:
                squares[name].append(np.ravel(frame.weight * ((row[name] - label) / unit[name]) ** 2))
    return sum(weight * np.concatenate(squares[name]).mean() for name, weight in WEIGHTS.weights.items())


@pytest.mark.parametrize("weights", [(1.0,) * 6, (1.0, 3.0, 0.5, 2.0, 1.0, 0.0)])
def test_loss_of_a_mixed_batch(mixed_frames, small_potential, weights):
    mixed_frames = [replace(frame, weight=weight) for frame, weight in zip(mixed_frames, weights, strict=True)]
    potential = small_potential.double()
    expected = plain_loss(potential, mixed_frames, scale=0.7)
    batch = collate(labelled_graphs(mixed_frames, potential.config, torch.float64))
    assert ("weight" in batch) == (len(set(weights)) > 1)
    potential.train()
    loss = batch_loss(potential(batch, stress=True), batch, WEIGHTS, scale=0.7)
    assert loss.item() == pytest.approx(expected, rel=1e-10)
    assert evaluation_loss(evaluate(potential, mixed_frames), WEIGHTS, scale=0.7) == pytest.approx(expected, rel=1e-10)
    loss.backward()
    gradients = [parameter.grad for parameter in potential.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_unlabelled_frames_have_no_loss(mixed_frames, small_potential):
    batch = collate(labelled_graphs([mixed_frames[4]], small_potential.config))
    small_potential.train()
    loss = batch_loss(small_potential(batch), batch, WEIGHTS, scale=1.0)
    loss.backward()
    assert loss.item() == 0.0


def test_large_total_energies_lose_no_digits(mixed_frames, small_potential):
    """Reference energies of 1e5 eV an atom leave the loss in float32 as it was."""
    frame = mixed_frames[0]
    batch = collate(labelled_graphs([frame], small_potential.config))
    loss = batch_loss(small_potential(batch), batch, WEIGHTS, scale=1.0)
    shift = 1e5 * len(frame.atoms)
    constants = small_potential.statistics
    moved = {s: e + 1e5 for s, e in constants.reference_energies.items()}
    small_potential.statistics = constants.model_copy(update={"reference_energies": moved})
    batch.energy = batch.energy + shift
    assert batch_loss(small_potential(batch), batch, WEIGHTS, scale=1.0).item() == pytest.approx(loss.item(), rel=1e-5)


def test_a_property_without_labels_or_head_counts_nowhere(mixed_frames, small_potential):
    """Charges are labelled but no head is to learn them, the dipole has a head but no label."""
    frame = replace(mixed_frames[0], labels={"energy": -1.0, "charges": np.ones(3)})
    batch = collate(labelled_graphs([frame], small_potential.config))
    assert "charges" not in batch
    assert torch.isnan(batch["dipole"]).all()
    only_energy = OptimisationConfig(weights={"forces": 0.0, "dipole": 0.0})
    both = [batch_loss(small_potential(batch), batch, o, scale=1.0).item() for o in (OptimisationConfig(), only_energy)]
    assert both[0] == pytest.approx(both[1])
