"""The loss against a plain computation, its masks, and that it can be differentiated."""

import numpy as np
import pytest
import torch

from equishare.potential import collate
from equishare.training.config import OptimisationConfig
from equishare.training.data.labelled_graphs import labelled_graph
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.loss import batch_loss, evaluation_loss

WEIGHTS = OptimisationConfig(
    energy_weight=0.3, forces_weight=2.0, stress_weight=0.7, dipole_weight=0.4, size_exponent=0.5
)


def plain_loss(potential, frames, scale):
    w, p = WEIGHTS, WEIGHTS.size_exponent
    rows = potential.predict([frame.atoms for frame in frames], stress=True)
    energy, forces, stress, dipole = [], [], [], []
    for frame, row in zip(frames, rows, strict=True):
        n = len(frame.atoms) ** p
        if frame.energy is not None:
            energy.append(((row["energy"] - frame.energy) / (n * scale)) ** 2)
        if frame.forces is not None:
            forces.append((((row["forces"] - frame.forces) / scale) ** 2).ravel())
        if frame.stress is not None:
            stress.append((((row["stress"] - frame.stress) * frame.atoms.cell.volume / (n * scale)) ** 2).ravel())
        if frame.label("dipole") is not None:
            dipole.append(((row["dipole"] - frame.label("dipole")) / n) ** 2)
    return (
        w.energy_weight * np.mean(energy)
        + w.forces_weight * np.concatenate(forces).mean()
        + w.stress_weight * np.concatenate(stress).mean()
        + w.dipole_weight * np.concatenate(dipole).mean()
    )


def test_loss_of_a_mixed_batch(mixed_frames, small_potential):
    potential = small_potential.double()
    expected = plain_loss(potential, mixed_frames, scale=0.7)
    batch = collate([labelled_graph(frame, potential.cutoff, torch.float64) for frame in mixed_frames])
    potential.train()
    loss = batch_loss(potential(batch, stress=True), batch, WEIGHTS, scale=0.7)
    assert loss.item() == pytest.approx(expected, rel=1e-10)
    assert evaluation_loss(evaluate(potential, mixed_frames), WEIGHTS, scale=0.7) == pytest.approx(expected, rel=1e-10)
    loss.backward()
    gradients = [parameter.grad for parameter in potential.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_unlabelled_frames_have_no_loss(mixed_frames, small_potential):
    batch = collate([labelled_graph(mixed_frames[4], small_potential.cutoff)])
    small_potential.train()
    loss = batch_loss(small_potential(batch), batch, WEIGHTS, scale=1.0)
    loss.backward()
    assert loss.item() == 0.0


def test_large_total_energies_lose_no_digits(mixed_frames, small_potential):
    """Reference energies of 1e5 eV an atom leave the loss in float32 as it was."""
    frame = mixed_frames[0]
    batch = collate([labelled_graph(frame, small_potential.cutoff)])
    loss = batch_loss(small_potential(batch), batch, WEIGHTS, scale=1.0)
    shift = 1e5 * len(frame.atoms)
    constants = small_potential.statistics
    moved = {s: e + 1e5 for s, e in constants.reference_energies.items()}
    small_potential.statistics = constants.model_copy(update={"reference_energies": moved})
    batch.energy = batch.energy + shift
    assert batch_loss(small_potential(batch), batch, WEIGHTS, scale=1.0).item() == pytest.approx(loss.item(), rel=1e-5)
