"""A training on frames that stay on disk gives the weights of one on frames in memory, to the bit."""

import shutil

import pytest
import torch
from rich.console import Console

from equishare.atoms.store import StoredFrame, opening
from equishare.datasets import path
from equishare.potential import load
from equishare.training.checkpoint import CheckpointError
from equishare.training.fit import fit
from equishare.training.run_folder import RunFolder


@pytest.fixture(autouse=True)
def files(monkeypatch, tmp_path):
    """Files whose folder may be written, for the store lies beside them."""
    monkeypatch.chdir(tmp_path)
    for name in ("ethanol", "ethanol_test"):
        shutil.copy(path(name), f"{name}.xyz")


def weights(run):
    return load(run.folder.model).state_dict()


def test_the_same_weights_from_memory_and_from_disk(tiny, tmp_path, monkeypatch):
    sections = {"data": {"train": ["ethanol.xyz@:60"], "test": ["ethanol_test.xyz@:8"]}, "budget": {"epochs": 2}}
    memory = fit(tiny(**sections, run={"out": "memory"}))
    monkeypatch.setattr(opening, "memory_there_is", lambda: 1000.0)
    with (tmp_path / "said").open("w") as said:
        disk = fit(tiny(**sections, run={"out": "disk"}), console=Console(file=said, width=80))
    assert isinstance(disk.data.split.train[0], StoredFrame)
    assert isinstance(disk.data.split.test[0], StoredFrame)
    first, second = weights(memory), weights(disk)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert memory.evaluations["test"].metrics() == disk.evaluations["test"].metrics()
    assert "do not fit into memory: converting them once, to" in (tmp_path / "said").read_text()


def test_a_run_on_disk_is_resumed(tiny, monkeypatch):
    monkeypatch.setattr(opening, "memory_there_is", lambda: 1000.0)
    sections = {"data": {"train": ["ethanol.xyz@:60"], "test": 0.1}}
    halved = fit(tiny(**sections, budget={"epochs": 1}, run={"out": "part"}))
    longer = halved.config.model_copy(update={"budget": halved.config.budget.model_copy(update={"epochs": 2})})
    folder = RunFolder.existing(halved.folder.path)
    assert [row["epoch"] for row in folder.read_metrics()] == [1]
    fit(longer, resume=folder)
    assert [row["epoch"] for row in folder.read_metrics()] == [1, 2]
    other = longer.data.model_copy(update={"train": ["ethanol.xyz@:61"]})
    with pytest.raises(CheckpointError, match="hash of the training frames was"):
        fit(longer.model_copy(update={"data": other}), resume=folder)
