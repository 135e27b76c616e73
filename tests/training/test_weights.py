"""Starting from the weights of a model file."""

import shutil

import ase.io
import numpy as np
import pytest
import torch
from ase.build import molecule

import equishare
from equishare.atoms import Frame, read_frames
from equishare.potential import ModelConfig, Potential, Statistics, load
from equishare.training.checkpoint import CheckpointError
from equishare.training.config import ModelChoice, TrainConfig
from equishare.training.fit import fit
from equishare.training.initial import with_elements_of
from equishare.training.weights import WeightsError, architecture_of, freeze, take_over


def settings(tiny_config, tmp_path, name, **changes):
    run = {**tiny_config["run"], "out": str(tmp_path / name)}
    return TrainConfig.model_validate({**tiny_config, "run": run, **changes})


@pytest.fixture(scope="module")
def first(tiny_config, tmp_path_factory):
    return fit(settings(tiny_config, tmp_path_factory.mktemp("weights"), "first", budget={"epochs": 30})).folder.model


def start(first, tiny_config, tmp_path, name="second", **changes):
    return fit(
        settings(tiny_config, tmp_path, name, **{"model": {}, "pretraining": {"weights": str(first)}, **changes})
    )


def test_errors_start_where_they_ended(first, tiny_config, tmp_path):
    """After one epoch the errors are those of the weights given, not those of noise."""
    short = {"budget": {"epochs": 1}, "optimisation": {"batch_size": 8, "learning_rate": 1e-4}}
    again = start(first, tiny_config, tmp_path, **short)
    noise = fit(settings(tiny_config, tmp_path, "noise", **short))
    reached, fresh = (run.evaluations["valid"].errors["forces"].rmse for run in (again, noise))
    assert reached < 0.6 * fresh
    assert again.config.model.channels == 4  # the network is that of the file
    assert load(again.folder.model).statistics.scale == load(first).statistics.scale


def test_it_is_resumed_without_the_file(first, tiny_config, tmp_path):
    weights = shutil.copy(first, tmp_path / "weights.safetensors")
    whole = start(weights, tiny_config, tmp_path, name="whole", budget={"epochs": 4})
    half = start(weights, tiny_config, tmp_path, name="half", budget={"epochs": 2})
    weights.unlink()
    longer = half.config.model_copy(update={"budget": half.config.budget.model_copy(update={"epochs": 4})})
    resumed = fit(longer, resume=half.folder)
    assert resumed.folder.start.exists()
    assert set(load(resumed.folder.last).state_dict()) == set(load(whole.folder.last).state_dict())


def test_another_cutoff_is_refused_in_words(first):
    with pytest.raises(WeightsError, match=r"cutoff 3.0, but 4.0 is asked for"):
        architecture_of(str(first), ModelChoice(cutoff=4.0))


def test_new_heads_come_on_top(first, tiny_config, tmp_path):
    again = start(first, tiny_config, tmp_path, model={"heads": ["dipole"]}, budget={"epochs": 2})
    assert again.config.model.heads == ("dipole",)
    assert again.evaluations["valid"].errors["dipole"].rmse is not None


def test_heads_stay_without_labels(first, tiny_config, tmp_path):
    with_dipole = start(first, tiny_config, tmp_path, name="dipole", model={"heads": ["dipole"]}, budget={"epochs": 1})
    frames = [Frame(f.atoms, energy=f.energy, forces=f.forces) for f in read_frames("ethanol@3:23")]
    run = equishare.train(
        frames,
        valid=0.2,
        test=0.0,
        pretraining={"weights": str(with_dipole.folder.model)},
        epochs=1,
        out=str(tmp_path / "without"),
        report=False,
        device="cpu",
    )
    assert run.config.model.heads == ("dipole",)
    assert "dipole" not in run.evaluations["valid"].errors
    assert load(run.folder.model).predict([frames[0].atoms])[0]["dipole"].shape == (3,)


def test_elements_that_are_new_and_that_stay():
    config = ModelConfig(channels=4, n_basis=4, n_hidden=4, l_density=1, l_features=1, cutoff=3.0)
    old = Potential(config, {"H": -13.0, "O": -400.0, "S": -900.0}).double().eval()
    new = Potential(
        config, Statistics(reference_energies={"H": -12.0, "C": -1000.0, "O": -401.0, "S": -900.0})
    ).double()
    take_over(new, old)
    frames = [frame.atoms for frame in read_frames("ethanol@3:5")]
    for atoms in frames:
        atoms.symbols[atoms.symbols == "C"] = "S"
    for a, b in zip(old.predict(frames), new.eval().predict(frames), strict=True):
        assert np.allclose(a["forces"], b["forces"], atol=1e-12)
    assert torch.isfinite(torch.cat([weight.flatten() for weight in new.parameters()])).all()


def test_frozen_parts_stay(first, tiny_config, tmp_path):
    """To the bit, and the others move."""
    again = start(
        first,
        tiny_config,
        tmp_path,
        pretraining={"weights": str(first), "freeze": ["embedding", "layer1"]},
        budget={"epochs": 2},
    )
    before, after = load(first).state_dict(), load(again.folder.model).state_dict()
    frozen = [name for name in before if name.startswith(("net.embedding", "net.layers.0"))]
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["energy.readouts.1.read.0.weight"], after["energy.readouts.1.read.0.weight"])


def test_parts_that_are_none_and_all_of_them():
    config = ModelConfig(channels=4, n_basis=4, n_hidden=4, l_density=1, l_features=1, cutoff=3.0)
    potential = Potential(config, {"H": -13.0})
    with pytest.raises(
        WeightsError, match="expected parts of embedding, readouts, layer1, layer2 to freeze, got 'layer3'"
    ):
        freeze(potential, ["layer3"])
    with pytest.raises(WeightsError, match="nothing is left to train"):
        freeze(potential, ["embedding", "layer1", "layer2", "readouts"])


def test_a_lower_rate_from_weights(first, tiny_config, tmp_path):
    again = start(first, tiny_config, tmp_path, budget={"epochs": 1})
    assert again.config.optimisation.rate_limit == 0.008
    fresh = fit(settings(tiny_config, tmp_path, "fresh", budget={"epochs": 1}))
    assert fresh.config.optimisation.rate_limit is None


def test_what_is_replayed_trains_along_and_is_judged(first, tmp_path):
    """Structures without labels get what the weights say of them; every tenth is held out; errors before are there too."""
    known = read_frames("ethanol@3:43")
    mean = np.mean([f.energy for f in known])
    frames = [
        Frame(f.atoms, energy=2 * f.energy - mean, forces=2 * f.forces, file="twice", index=f.index) for f in known
    ]
    others = [molecule(["H2O", "CH3OH", "CH4", "HCOOH"][k % 4]) for k in range(20)]
    for k, atoms in enumerate(others):
        atoms.rattle(0.05, seed=k)
        atoms.info["total_charge"] = k % 2
    ase.io.write(tmp_path / "known.xyz", others)
    run = equishare.train(
        frames,
        valid=0.2,
        test=0.0,
        pretraining={"weights": str(first), "replay": [str(tmp_path / "known.xyz")]},
        frame_weights={"replay": 0.5},
        epochs=4,
        batch_size=8,
        out=str(tmp_path / "run"),
        report=False,
        device="cpu",
    )
    replayed = [frame for frame in run.data.split.train if frame.config_type == "replay"]
    assert (len(replayed), len(run.data.kept), run.evaluations["kept"].n_frames) == (18, 2, 2)
    assert all(np.isfinite(frame.forces).all() and frame.weight == 0.5 for frame in replayed)
    assert {frame.conditions["charge"] for frame in replayed} == {0, 1}
    assert run.evaluations["start"].errors["forces"].rmse > run.evaluations["valid"].errors["forces"].rmse


def test_a_run_goes_on_with_the_structures_that_it_replays(first, tiny_config, tmp_path):
    def replay(*names):
        ase.io.write(tmp_path / "known.xyz", [molecule(name) for name in names])

    replay("CH4", "H2O", "CH3OH")
    sections = {"pretraining": {"weights": str(first), "replay": str(tmp_path / "known.xyz")}, "budget": {"epochs": 1}}
    run = start(first, tiny_config, tmp_path, **sections)
    replay("CH4", "H2O", "HCOOH")
    longer = run.config.model_copy(update={"budget": run.config.budget.model_copy(update={"epochs": 2})})
    with pytest.raises(CheckpointError, match="hash of the training frames was"):
        fit(longer, resume=run.folder)
    replay("CH4", "H2O", "CH3OH")
    assert fit(longer, resume=run.folder).folder.path == run.folder.path


def test_without_weights_nothing_is_replayed(tiny_config, tmp_path):
    with pytest.raises(WeightsError, match="no weights to start from"):
        fit(settings(tiny_config, tmp_path, "run", pretraining={"weights": "none", "replay": ["ethanol"]}))


def test_noise_is_not_frozen(tiny_config, tmp_path):
    """Nothing is left out silently: frozen parts of noise would stay noise."""
    with pytest.raises(WeightsError, match="starts from noise, and embedding, layer1 would stay noise"):
        fit(settings(tiny_config, tmp_path, "run", pretraining={"weights": "none", "freeze": ["embedding", "layer1"]}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("parts", "said"), [("layer3", "got 'layer3'"), (["embedding", "layer1", "layer2", "readouts"], "nothing is left")]
)
def test_parts_to_freeze_are_looked_at_first(parts, said, first, tiny_config, tmp_path):
    """Before pretraining, and nothing is left behind."""
    with pytest.raises(WeightsError, match=said):
        start(first, tiny_config, tmp_path, pretraining={"weights": str(first), "freeze": parts})
    assert not (tmp_path / "second").exists()


def test_elements_that_only_replayed_structures_hold(first, tmp_path):
    """They keep what the weights know of them; at the start nothing is forgotten, whatever the level of the new frames."""
    rng = np.random.default_rng(0)
    water, others = ([molecule(name) for _ in range(20)] for name in ("H2O", "CH3CH2OH"))
    for atoms in water + others:
        atoms.positions += 0.05 * rng.standard_normal(atoms.positions.shape)
    ase.io.write(tmp_path / "known.xyz", others)
    frames = [
        Frame(atoms, energy=row["energy"] - 900.0, forces=row["forces"])
        for atoms, row in zip(water, load(first).predict(water), strict=True)
    ]
    run = equishare.train(
        frames,
        valid=0.2,
        test=0.0,
        pretraining={"weights": str(first), "replay": [str(tmp_path / "known.xyz")]},
        epochs=1,
        learning_rate=1e-8,
        out=str(tmp_path / "run"),
        report=False,
        device="cpu",
    )
    found, before = load(run.folder.model).statistics, load(first).statistics
    assert found.reference_energies["C"] == before.reference_energies["C"]
    assert run.evaluations["kept"].errors["energy"].rmse < 1e-3
    assert run.evaluations["kept"].errors["forces"].rmse < 1e-4


def test_what_starts_from_noise_is_not_in_replayed_labels(first, tmp_path):
    """New charges that interact, and a charge that goes in newly, say nothing of structures that the weights know."""
    known = [molecule(name) for name in ("CH3CH2OH", "H2O", "CH4")]
    known[1].info["charge"] = 1
    ase.io.write(tmp_path / "known.xyz", known)
    labels = []
    for name, more in (("plain", {}), ("more", {"long_range": "coulomb", "conditions": ["charge"]})):
        run = equishare.train(
            read_frames("ethanol@3:23"),
            valid=0.2,
            test=0.0,
            pretraining={"weights": str(first), "replay": str(tmp_path / "known.xyz")},
            epochs=1,
            out=str(tmp_path / name),
            report=False,
            device="cpu",
            **more,
        )
        labels.append([(frame.energy, frame.forces) for frame in (*run.data.kept, *run.data.split.train[-2:])])
    for (energy, forces), (again, same) in zip(*labels, strict=True):
        assert again == pytest.approx(energy, abs=1e-4)
        assert np.allclose(same, forces, atol=1e-4)


def test_levels_of_elements_that_only_the_weights_know():
    before = Statistics(reference_energies={"H": -1.0, "N": -5.0}, levels={"b": {"H": -2.0, "N": -7.0}})
    found = Statistics(reference_energies={"H": -1.5}, levels={"b": {"H": -2.5}, "c": {"H": -3.0}})
    joined = with_elements_of(found, before)
    assert joined.levels == {"b": {"H": -2.5, "N": -7.0}, "c": {"H": -3.0, "N": 0.0}}
    assert joined.reference_energies == {"H": -1.5, "N": -5.0}


def test_one_structure_is_not_replayed(first, tiny_config, tmp_path):
    ase.io.write(tmp_path / "one.xyz", [molecule("CH4"), molecule("H")])
    pretraining = {"weights": str(first), "replay": [str(tmp_path / "one.xyz")]}
    with pytest.raises(WeightsError, match="got 1 of more than one atom"):
        start(first, tiny_config, tmp_path, pretraining=pretraining)


def test_what_the_weights_do_not_know_is_not_replayed(first, tiny_config, tmp_path):
    ase.io.write(tmp_path / "silane.xyz", [molecule("CH4"), molecule("SiH4")])
    pretraining = {"weights": str(first), "replay": [str(tmp_path / "silane.xyz")]}
    with pytest.raises(WeightsError, match=r"silane.xyz@1 holds Si, and the weights to start from know H, C, O"):
        start(first, tiny_config, tmp_path, pretraining=pretraining)
