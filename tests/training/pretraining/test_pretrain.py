"""Pretraining hands on the network and its units, not the cheap method's energies; it can be stopped and continued."""

import signal

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from equishare import datasets
from equishare.atoms import Frame, read_frames
from equishare.atoms.source import FrameReadError
from equishare.potential import load, read_header
from equishare.training.config import PretrainingConfig
from equishare.training.config.config_file import validate
from equishare.training.data.prepare import IN_MEMORY, Parts
from equishare.training.fit import fit
from equishare.training.pretraining import pretrain as pretraining
from equishare.training.pretraining.pretrain import PretrainingError
from equishare.training.run_folder import RunFolder
from equishare.training.state import TrainingState


@pytest.fixture
def cheap(tmp_path):
    """Frames of another method: energies shifted, forces doubled."""
    images = []
    for atoms in datasets.load("ethanol")[43:83]:
        copy = atoms.copy()
        labels = {"energy": 2 * atoms.get_potential_energy() + 7.0, "forces": 2 * atoms.get_forces()}
        copy.calc = SinglePointCalculator(copy, **labels)
        images.append(copy)
    write(tmp_path / "cheap.xyz", images)
    return str(tmp_path / "cheap.xyz")


def test_the_network_is_handed_on_and_the_energies_are_not(tmp_path, tiny, cheap, monkeypatch):
    handed = []
    original = pretraining.pretrain
    monkeypatch.setattr("equishare.training.fit.pretrain", lambda *given: handed.append(original(*given)) or handed[0])
    monkeypatch.setattr(
        TrainingState, "make_optimiser", lambda self: torch.optim.SGD(self.potential.parameters(), lr=0.0)
    )
    sections = {"pretraining": {"source": cheap}, "budget": {"epochs": 1}, "optimisation": {"learning_rate": 1e-60}}
    run = fit(tiny(**sections, run={"out": str(tmp_path / "run")}))
    inner, outer = handed[0], load(run.folder.model)
    for name, value in inner.net.state_dict().items():
        assert torch.equal(value, outer.net.state_dict()[name]), name
    assert (outer.statistics.scale, outer.statistics.neighbours, outer.statistics.spacing) == (
        inner.statistics.scale,
        inner.statistics.neighbours,
        inner.statistics.spacing,
    )
    assert outer.statistics.reference_energies != inner.statistics.reference_energies
    frames = run.data.split.train
    # neither fit has learned anything: what is left of the energies is their scatter, not the methods' difference
    errors = [p["energy"] - f.energy for p, f in zip(outer.predict([f.atoms for f in frames]), frames, strict=True)]
    assert abs(np.mean(errors)) < 0.3
    assert read_header(run.folder.model).metadata["pretraining"] == "cheap.xyz"


def test_it_learns_from_the_cheap_frames(tmp_path, tiny, cheap):
    plain, pretrained = (
        fit(
            tiny(
                pretraining={"source": source, "share": 0.9, "frames": 40},
                budget={"epochs": 2},
                run={"out": str(tmp_path / name)},
            )
        )
        for name, source in (("plain", None), ("pretrained", cheap))
    )
    assert pretrained.folder.pretraining.model.exists()
    assert not plain.folder.pretraining.path.exists()
    first = [run.folder.read_metrics()[0]["valid_forces_rmse"] for run in (plain, pretrained)]
    assert first[1] < 0.9 * first[0]


def test_what_xtb_does_not_label_is_learnt_afterwards(tmp_path, tiny, monkeypatch):
    """The frames that it draws have no dipole; the frames that count have one, and a charge of their own."""
    frames = read_frames("ethanol@3:23")
    drawn = []

    def sample(starts, *given, **options):
        drawn.extend(starts)
        found = [atoms.copy() for atoms in datasets.load("ethanol")[43:68]]
        for atoms, other in zip(found, datasets.load("ethanol")[43:68], strict=True):
            atoms.calc = SinglePointCalculator(atoms, energy=other.get_potential_energy(), forces=other.get_forces())
        return found

    monkeypatch.setattr(pretraining, "sample", sample)
    ions = [Frame(f.atoms, f.labels, charge=1) for f in frames]
    sections = {"model": {"heads": ["dipole"]}, "pretraining": {"source": "xtb"}, "budget": {"epochs": 1}}
    config = tiny(**sections, run={"out": str(tmp_path / "run")}, data={"train": [IN_MEMORY]})
    run = fit(config, given=Parts(ions, 0.2, 0.0))
    assert load(run.folder.pretraining.model).config.heads == ()
    assert load(run.folder.model).config.heads == ("dipole",)
    assert all(atoms.info == {"charge": 1} for atoms in drawn)


@pytest.mark.parametrize("stopped_in", ["pretraining", "training"])
def test_an_interrupted_run_resumes(tmp_path, tiny, cheap, monkeypatch, stopped_in):
    config = tiny(pretraining={"source": cheap, "frames": 40}, run={"out": str(tmp_path / "whole")})
    whole = fit(config)
    original = TrainingState.take_step
    frames = {"pretraining": 38, "training": len(whole.data.split.train)}[stopped_in]

    def stopped(self, objective, batch):
        if self.step == 7 and len(objective.names) == frames:
            signal.raise_signal(signal.SIGINT)
        original(self, objective, batch)

    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "take_step", stopped)
        settings = tiny(pretraining={"source": cheap, "frames": 40}, run={"out": str(folder)})
        if stopped_in == "pretraining":
            with pytest.raises(KeyboardInterrupt):
                fit(settings)
        else:
            assert fit(settings).interrupted == signal.SIGINT
    resumed = RunFolder.existing(folder)
    again = fit(settings if stopped_in == "pretraining" else again_config(resumed), resume=resumed)
    assert again.interrupted is None
    a, b = (load(run.folder.last).state_dict() for run in (whole, again))
    assert all(torch.equal(a[name], b[name]) for name in a)


def again_config(folder):
    import yaml

    return validate(yaml.safe_load(folder.config.read_text()))


@pytest.mark.parametrize(
    ("options", "count", "part"),
    [
        ({"source": "xtb"}, 50, 0.8),
        ({"source": "xtb"}, 200, 0.4),
        ({"source": "cheap.xyz"}, 50, 0.4),
        ({"source": "xtb", "share": 0.1}, 50, 0.1),
    ],
)
def test_its_part_of_the_budget(options, count, part):
    assert PretrainingConfig(**options).part(count) == part


def test_other_elements_are_refused(tmp_path, tiny):
    config = tiny(pretraining={"source": "dry_ice@3:23"}, budget={"epochs": 1}, run={"out": str(tmp_path / "run")})
    with pytest.raises(PretrainingError, match=r"hold C, O, those to train on H, C, O"):
        fit(config)


def test_an_isolated_atom_of_an_element_that_no_frame_holds(tmp_path, tiny, cheap):
    """It has its E0, and the pretrained network need not know it."""
    write(tmp_path / "nitrogen.xyz", Atoms("N", info={"REF_energy": -1480.0}))
    files = ["ethanol@3:23", str(tmp_path / "nitrogen.xyz")]
    sections = {"data": {"train": files}, "pretraining": {"source": cheap, "frames": 40}, "budget": {"epochs": 1}}
    run = fit(tiny(**sections, run={"out": str(tmp_path / "run")}))
    assert load(run.folder.model).predict([Atoms("N")])[0]["energy"] == -1480.0


def test_a_file_that_is_not_there_is_said_first(tmp_path, tiny):
    with pytest.raises(FrameReadError, match=r"absent.xyz: no such file"):
        fit(tiny(pretraining={"source": str(tmp_path / "absent.xyz")}, run={"out": str(tmp_path / "run")}))
    assert not (tmp_path / "run").exists()
