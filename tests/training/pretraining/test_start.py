"""What training starts from by itself."""

import numpy as np
import pytest
from ase import Atoms

import equishare
from equishare.atoms import Frame, read_frames
from equishare.potential import load
from equishare.training.config.config_file import validate
from equishare.training.fit import fit
from equishare.training.pretraining.start import settled


@pytest.mark.parametrize(
    ("given", "elements", "weights", "said"),
    [
        ({}, "HCO", "organic", "weights of organic, trained on GFN2-xTB"),
        ({}, ["H", "Li"], "none", "noise, for the organic weights do not know Li"),
        ({"model": {"preset": "accurate"}}, "HC", "none", "no accurate network"),
        ({"model": {"cutoff": 4.0}}, "HC", "none", r"cutoff 5.0, but 4.0 is asked for"),
        ({"model": {"heads": ["dipole"]}}, "HC", "organic", "weights of organic"),
        ({"pretraining": {"weights": "none"}}, "HC", "none", "noise"),
        ({"pretraining": {"source": "xtb"}}, "HC", None, "frames of a cheap method"),
    ],
)
def test_where_it_suits(given, elements, weights, said):
    config, words = settled(validate(given), elements)
    assert config.pretraining.weights == weights
    assert said in words


def test_the_level_of_the_new_method_and_the_elements_of_its_frames(tmp_path):
    """After next to no training: energies on the frames' level, forces not those of noise, no element that the frames lack."""
    run = fit(
        validate(
            {
                "data": {"train": "ethanol@:60", "valid": 0.2, "test": 0.0},
                "budget": {"epochs": 1},
                "optimisation": {"learning_rate": 1e-6},
                "run": {"out": str(tmp_path / "run"), "device": "cpu"},
            }
        )
    )
    assert run.config.pretraining.weights == "organic"
    assert run.config.model.conditions == ()
    potential = load(run.folder.model)
    assert potential.species == ("H", "C", "O")
    frames = read_frames("ethanol@60:80")
    predicted = potential.predict([frame.atoms for frame in frames])
    missing = np.array([frame.energy - row["energy"] for frame, row in zip(frames, predicted, strict=True)])
    assert abs(missing.mean()) < 0.1
    forces = np.concatenate([frame.forces for frame in frames])
    errors = forces - np.concatenate([row["forces"] for row in predicted])
    assert np.sqrt(np.mean(errors**2)) < 0.5 * np.sqrt(np.mean(forces**2))


def test_resumed_from_its_own_copy(tiny_config, tmp_path):
    """A run that started by itself says so in its configuration, and goes on alike."""
    config = validate(
        {
            "data": tiny_config["data"],
            "budget": {"epochs": 1},
            "run": {"out": str(tmp_path / "run"), "device": "cpu"},
        }
    )
    run = fit(config)
    longer = run.config.model_copy(update={"budget": run.config.budget.model_copy(update={"epochs": 2})})
    assert fit(longer, resume=run.folder).config.model == run.config.model


def test_an_isolated_atom_of_another_element_changes_nothing(tmp_path):
    """A file of isolated atoms may hold more than the frames do: what counts is whether the weights know the frames."""
    frames = [*read_frames("ethanol@3:15"), Frame(Atoms("Si"), energy=-7800.0)]
    run = equishare.train(frames, epochs=1, learning_rate=1e-6, out=str(tmp_path / "run"), device="cpu", report=False)
    assert run.config.pretraining.weights == "organic"
    assert load(run.folder.model).predict([Atoms("Si")])[0]["energy"] == -7800.0
