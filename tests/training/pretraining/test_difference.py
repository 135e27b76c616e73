"""Frames that xTB draws are labelled on the level of the frames that count; what was begun goes on."""

import io
import signal

import numpy as np
import pytest
from ase.build import molecule
from ase.io import read
from rich.console import Console

from equishare.atoms import Frame
from equishare.potential.base import xtb
from equishare.training.data.prepare import IN_MEMORY, Parts
from equishare.training.fit import fit
from equishare.training.pretraining import difference
from equishare.training.run_folder import RunFolder
from equishare.training.state import TrainingState

pytest.importorskip("tblite")


def labelled(atoms, **conditions):
    """GFN2-xTB, and 3 eV exp(-r / Å) of each pair besides."""
    base = xtb(atoms.numbers, atoms.positions, charge=conditions.get("charge", 0))
    vectors = atoms.get_all_distances(vector=True)
    distances = np.linalg.norm(vectors, axis=-1)
    pairs = np.where(distances > 0, 3.0 * np.exp(-distances), 0.0)
    with np.errstate(invalid="ignore"):
        forces = np.nan_to_num(-pairs[..., None] * vectors / distances[..., None]).sum(axis=1)
    energy = base.energies.sum() + 0.5 * pairs.sum() - 100.0
    return Frame(atoms, energy=energy, forces=base.forces + forces, conditions=conditions)


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(24):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(scale=0.05, size=(3, 3))
        found.append(labelled(atoms))
    return found


@pytest.fixture
def asked(tiny):
    def config(folder, epochs=30, **sections):
        options = {"source": "xtb", "frames": 25, "temperatures": [300], "share": 0.8}
        data = {"train": [IN_MEMORY]}
        return tiny(pretraining=options, data=data, budget={"epochs": epochs}, run={"out": str(folder)}, **sections)

    return config


def error(images):
    """Of the forces of labelled frames, and of xTB's, in eV/Å."""
    truth = [labelled(atoms).forces for atoms in images]
    plain = [xtb(atoms.numbers, atoms.positions).forces for atoms in images]
    said = [atoms.get_forces() for atoms in images]
    return [float(np.sqrt(np.mean(np.subtract(each, truth) ** 2))) for each in (said, plain)]


def test_labels_are_those_of_the_frames_that_count(tmp_path, asked, frames):
    run = fit(asked(tmp_path / "run"), given=Parts(frames, 0.2, 0.0))
    drawn = read(run.folder.sampled, ":")
    assert len(drawn) == 25
    ours, plain = error(drawn)
    assert ours < 0.5 * plain
    energies = [atoms.get_potential_energy() for atoms in drawn]
    assert np.allclose(energies, [labelled(atoms).energy for atoms in drawn], atol=1.0)
    # its own E0s and shifts are not handed on: those of the frames that count are
    assert run.evaluations["valid"].errors["energy"].rmse < 0.5


def test_a_charge_is_told(tmp_path, asked):
    rng, ions = np.random.default_rng(1), []
    for _ in range(12):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(scale=0.03, size=(3, 3))
        ions.append(labelled(atoms, charge=1))
    run = fit(asked(tmp_path / "run"), given=Parts(ions, 0.2, 0.0))
    assert "charge" in run.folder.difference.config.read_text()
    drawn = read(run.folder.sampled, ":")
    assert {atoms.info["charge"] for atoms in drawn} == {1}


def test_an_interrupted_difference_goes_on(tmp_path, asked, frames, monkeypatch):
    parts = Parts(frames, 0.2, 0.0)
    whole = fit(asked(tmp_path / "whole", epochs=10), given=parts)
    original, taken = TrainingState.take_step, []

    def stopped(self, objective, batch):
        taken.append(self.step)
        if len(taken) == 5:
            signal.raise_signal(signal.SIGINT)
        original(self, objective, batch)

    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "take_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            fit(asked(folder, epochs=10), given=parts)
    assert not (folder / "pretraining.xyz").exists()
    assert whole.folder.difference.model.exists()
    again = fit(asked(folder, epochs=10), given=parts, resume=RunFolder.existing(folder))
    first, second = (read(run.folder.sampled, ":") for run in (whole, again))
    for a, b in zip(first, second, strict=True):
        assert np.allclose(a.get_forces(), b.get_forces(), atol=1e-6)


def test_what_is_no_better_than_xtb_is_not_used(tmp_path, asked, frames, monkeypatch):
    right = [Frame(frame.atoms, forces=0.01 * frame.forces) for frame in frames]
    monkeypatch.setattr(difference, "without_base", lambda frames, config: right)
    said = io.StringIO()
    run = fit(asked(tmp_path / "run", epochs=2), given=Parts(frames, 0.2, 0.0), console=Console(file=said, width=200))
    assert "keep the labels of GFN2-xTB: off by" in said.getvalue()
    assert not run.folder.difference.path.exists()
    ours, plain = error(read(run.folder.sampled, ":"))
    assert ours == pytest.approx(plain, rel=1e-3)


def test_several_methods_have_none(tmp_path, asked, frames):
    both = [Frame(f.atoms, f.labels, {"method": name}) for f, name in zip(frames, ["a", "b"] * 12, strict=True)]
    run = fit(asked(tmp_path / "run", epochs=2, model={"conditions": ["method"]}), given=Parts(both, 0.2, 0.0))
    assert not run.folder.difference.path.exists()
    ours, plain = error(read(run.folder.sampled, ":"))
    assert ours == pytest.approx(plain, rel=1e-3)
