"""Errors against a plain computation; labels that are absent count nowhere; batches change nothing."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import read

from equishare.atoms import Frame, read_frames
from equishare.potential import GraphError, UnknownSpeciesError
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.evaluation.predictions import write_predictions


def test_errors_are_those_of_plain_numpy(mixed_frames, small_potential):
    result = evaluate(small_potential, mixed_frames)
    predicted = small_potential.predict([frame.atoms for frame in mixed_frames], stress=True)
    pairs = list(zip(mixed_frames, predicted, strict=True))
    energy = np.array([p["energy"] - f.energy for f, p in pairs if f.energy is not None])
    sizes = np.array([len(f.atoms) for f, _ in pairs if f.energy is not None])
    forces = np.concatenate([(p["forces"] - f.forces).ravel() for f, p in pairs if f.forces is not None])
    stress = np.concatenate([(p["stress"] - f.stress).ravel() for f, p in pairs if f.stress is not None])
    dipole = np.concatenate([p["dipole"] - f.label("dipole") for f, p in pairs if f.label("dipole") is not None])
    for name, error in {"energy": energy, "forces": forces, "stress": stress, "dipole": dipole}.items():
        assert getattr(result, f"{name}_mae") == pytest.approx(np.abs(error).mean(), rel=1e-5)
        assert getattr(result, f"{name}_rmse") == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert result.energy_mae_per_atom == pytest.approx(np.abs(energy / sizes).mean(), rel=1e-5)
    assert result.energy_rmse_per_atom == pytest.approx(np.sqrt(((energy / sizes) ** 2).mean()), rel=1e-5)
    assert result.n_frames == 6
    counts = {symbol: error.atoms for symbol, error in result.elements.items()}
    assert counts == {"H": 4, "Li": 8, "O": 1}


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batches_change_nothing(mixed_frames, small_potential, batch_size):
    potential = small_potential.double()
    one, other = evaluate(potential, mixed_frames), evaluate(potential, mixed_frames, batch_size)
    for name, value in one.metrics().items():
        assert getattr(other, name) == pytest.approx(value, rel=1e-10)
    assert [frame.name for frame in other.frames] == [frame.name for frame in mixed_frames]


def test_mode_and_gradients_stay(mixed_frames, small_potential):
    small_potential.train()
    evaluate(small_potential, mixed_frames[:1])
    assert small_potential.training
    assert all(parameter.grad is None for parameter in small_potential.parameters())


def test_a_prediction_that_is_nan_is_not_taken_for_a_missing_label(mixed_frames, small_potential):
    with torch.no_grad():
        small_potential.net.embedding.weight.fill_(torch.nan)
    result = evaluate(small_potential, mixed_frames)
    assert np.isnan(result.energy_rmse)
    assert np.isnan(result.forces_mae)


def test_no_labels_at_all(small_potential, mixed_frames):
    result = evaluate(small_potential, [mixed_frames[4]])
    assert result.energy_mae is None
    assert result.forces_rmse is None
    assert result.elements == {}
    assert json.loads(json.dumps(result.to_dict()))["energy_mae"] is None


def test_worst_frames_first(mixed_frames, small_potential):
    errors = [frame.forces_rmse for frame in evaluate(small_potential, mixed_frames).worst(3)]
    assert errors == sorted(errors, reverse=True)
    assert not np.isnan(errors).any()


def test_frames_that_cannot_be_predicted(small_potential):
    with pytest.raises(ValueError, match="at least one frame"):
        evaluate(small_potential, [])
    with pytest.raises(UnknownSpeciesError, match="Au"):
        evaluate(small_potential, [Frame(Atoms("Au"))])
    with pytest.raises(GraphError, match=r"flat\.xyz@3"):
        evaluate(small_potential, [Frame(Atoms("H", cell=[1, 1, 0], pbc=True), file="flat.xyz", index=3)])


def test_predictions_are_written_beside_labels(mixed_frames, small_potential, tmp_path):
    result = evaluate(small_potential, mixed_frames)
    write_predictions(tmp_path / "out.xyz", mixed_frames, result)
    assert [file.name for file in tmp_path.iterdir()] == ["out.xyz"]
    images = read(tmp_path / "out.xyz", ":")
    for image, frame, row in zip(images, mixed_frames, result.frames, strict=True):
        assert image.get_potential_energy() == pytest.approx(row.energy)
        assert np.allclose(image.get_forces(), row.forces, atol=1e-7)
        assert ("REF_energy" in image.info) == (frame.energy is not None)
        assert ("REF_forces" in image.arrays) == (frame.forces is not None)
        if frame.stress is not None:
            assert np.allclose(image.get_stress(voigt=False), row.stress, atol=1e-7)
            assert np.allclose(image.info["REF_stress"], frame.stress, atol=1e-7)
    again = read_frames(
        str(tmp_path / "out.xyz"), {name: f"REF_{name}" for name in ("energy", "forces", "stress", "dipole")}
    )
    for frame, before in zip(again, mixed_frames, strict=True):
        assert frame.energy == (None if before.energy is None else pytest.approx(before.energy))
