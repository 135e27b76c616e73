"""Errors against a plain computation; labels that are absent count nowhere; batches change nothing."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.constraints import FixAtoms
from ase.io import read, write

from equishare.atoms import Frame, read_frames
from equishare.errors import EquishareError
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
    expected = {
        "energy": energy,
        "energy_per_atom": energy / sizes,
        "forces": forces,
        "stress": stress,
        "dipole": dipole,
    }
    assert set(result.errors) == set(expected)
    for name, error in expected.items():
        found = result.errors[name]
        assert found.mae == pytest.approx(np.abs(error).mean(), rel=1e-5)
        assert found.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
        assert found.count == error.size
        mean = np.diagonal(stress.reshape(-1, 3, 3), axis1=1, axis2=2).mean() if name == "stress" else error.mean()
        assert found.bias == pytest.approx(mean, rel=1e-4, abs=1e-7)
    assert result.metrics()["energy_rmse_per_atom"] == result.rmse("energy_per_atom")
    assert result.n_frames == 6
    assert {symbol: part.n_frames for symbol, part in result.elements.items()} == {"H": 4, "Li": 8, "O": 1}
    of_lithium = np.concatenate([(p["forces"] - f.forces).ravel() for f, p in (pairs[1], pairs[5])])
    assert result.elements["Li"].rmse("forces") == pytest.approx(np.sqrt((of_lithium**2).mean()), rel=1e-5)


def test_errors_by_kind_of_frame(mixed_frames, small_potential):
    """Each kind's errors are those of its frames alone; one kind is no kind."""
    assert evaluate(small_potential, mixed_frames).config_types == {}
    for frame, kind in zip(mixed_frames, ("a", "b", "a", "b", "b", ""), strict=True):
        frame.atoms.info["config_type"] = kind
    result = evaluate(small_potential, mixed_frames)
    assert {name: part.n_frames for name, part in result.config_types.items()} == {"(none)": 1, "a": 2, "b": 3}
    alone = evaluate(small_potential, [mixed_frames[index] for index in (1, 3, 4)])
    for name, errors in alone.errors.items():
        assert result.config_types["b"].errors[name].bias == pytest.approx(errors.bias, rel=1e-4)
    assert json.loads(json.dumps(result.to_dict()))["config_types"]["a"]["n_frames"] == 2


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batches_change_nothing(mixed_frames, small_potential, batch_size):
    potential = small_potential.double()
    one, other = evaluate(potential, mixed_frames), evaluate(potential, mixed_frames, batch_size)
    assert other.metrics() == pytest.approx(one.metrics(), rel=1e-10)
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
    assert np.isnan(result.rmse("energy"))
    assert np.isnan(result.mae("forces"))
    assert not any(frame.finite for frame in result.frames)


def test_no_labels_at_all(small_potential, mixed_frames):
    result = evaluate(small_potential, [mixed_frames[4]])
    assert result.errors == {}
    assert result.rmse("forces") is None
    assert result.elements == {}
    assert json.loads(json.dumps(result.to_dict()))["energy_mae"] is None


def test_worst_frames_first(mixed_frames, small_potential):
    errors = [frame.forces_rmse for frame in evaluate(small_potential, mixed_frames).worst(3)]
    assert errors == sorted(errors, reverse=True)
    assert not np.isnan(errors).any()


def test_frames_that_cannot_be_predicted(small_potential):
    with pytest.raises(EquishareError, match="at least one frame"):
        evaluate(small_potential, [])
    with pytest.raises(UnknownSpeciesError, match=r"@\d+: the potential knows .* holds Au"):
        evaluate(small_potential, [Frame(Atoms("Au"))])
    with pytest.raises(GraphError, match=r"flat\.xyz@3"):
        evaluate(small_potential, [Frame(Atoms("H", cell=[1, 1, 0], pbc=True), file="flat.xyz", index=3)])


def test_predictions_are_written_beside_labels(mixed_frames, small_potential, tmp_path):
    result = evaluate(small_potential, mixed_frames)
    write_predictions(tmp_path / "out.xyz", mixed_frames, result)
    assert [file.name for file in tmp_path.iterdir()] == ["out.xyz"]
    images = read(tmp_path / "out.xyz", ":")
    for image, frame, row in zip(images, mixed_frames, result.frames, strict=True):
        assert image.get_potential_energy() == pytest.approx(row.predicted["energy"])
        assert np.allclose(image.get_forces(), row.predicted["forces"], atol=1e-7)
        assert ("REF_energy" in image.info) == (frame.energy is not None)
        assert ("REF_forces" in image.arrays) == (frame.forces is not None)
        assert image.info["source"] == frame.name
        if frame.stress is not None:
            assert np.allclose(image.get_stress(voigt=False), row.predicted["stress"], atol=1e-7)
            assert np.allclose(image.info["REF_stress"], frame.stress, atol=1e-7)
    names = ("energy", "forces", "stress", "dipole")
    again = read_frames(str(tmp_path / "out.xyz"), {name: f"REF_{name}" for name in names})
    for frame, before in zip(again, mixed_frames, strict=True):
        assert frame.energy == (None if before.energy is None else pytest.approx(before.energy))


def test_predictions_can_be_joined_to_their_source(small_potential, tmp_path):
    """What the file says beside its labels is kept, and no label stands under the name of a prediction."""
    water = molecule("H2O")
    water.info |= {"config_type": "bulk", "my_id": 7, "dft_energy": -5.0, "total_charge": 1}
    water.arrays["dft_forces"] = np.full((3, 3), 0.25)
    water.arrays["tag"] = np.array([4, 5, 6])
    water.set_constraint(FixAtoms([1]))
    write(tmp_path / "in.xyz", water, columns=["symbols", "positions", "dft_forces", "tag", "move_mask"])
    frames = read_frames(str(tmp_path / "in.xyz"))
    write_predictions(tmp_path / "out.xyz", frames, evaluate(small_potential, frames))
    image = read(tmp_path / "out.xyz")
    kept = {name: image.info[name] for name in ("config_type", "my_id", "source", "REF_energy", "charge")}
    assert kept == {"config_type": "bulk", "my_id": 7, "source": "in.xyz@0", "REF_energy": -5.0, "charge": 1}
    assert "dft_energy" not in image.info
    assert np.array_equal(image.arrays["REF_forces"], np.full((3, 3), 0.25))
    assert image.arrays["tag"].tolist() == [4, 5, 6]
    assert image.constraints[0].index.tolist() == [1]
    assert not np.allclose(image.get_forces(apply_constraint=False), 0.25)
