"""Training in one call: frames in memory or files, settings by name, resumed."""

import numpy as np
import pytest
import torch

import equishare
from equishare import datasets
from equishare.atoms import read_frames
from equishare.errors import EquishareError
from equishare.potential import load
from equishare.training.config.config_file import ConfigError
from equishare.training.config.settings import sections_of
from equishare.training.fit import fit

TINY = {
    "preset": "small", "channels": 4, "n_basis": 4, "n_hidden": 4, "l_density": 1, "body_order": 3, "cutoff": 3.0,
    "batch_size": 8, "device": "cpu", "epochs": 2,
}  # fmt: skip
SOURCE = f"{datasets.path('ethanol')}@:43"


def weights(run):
    return load(run.folder.last).state_dict()


def same(first, second):
    a, b = weights(first), weights(second)
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def of_files(tmp_path_factory):
    return equishare.train(SOURCE, valid=0.1, test=0.1, out=str(tmp_path_factory.mktemp("run") / "files"), **TINY)


def test_it_is_the_run_of_the_prompt(of_files, tmp_path, tiny):
    prompt = fit(tiny(data={"train": SOURCE}, budget={"epochs": 2}, run={"out": str(tmp_path / "prompt")}))
    assert same(of_files, prompt)
    assert of_files.folder.report.exists()


@pytest.mark.parametrize("kind", ["frames", "atoms", "a list of files"])
def test_frames_in_memory_are_those_of_the_file(of_files, tmp_path, kind):
    frames = {
        "frames": lambda: read_frames(SOURCE),
        "atoms": lambda: datasets.load("ethanol")[:43],
        "a list of files": lambda: [SOURCE],
    }[kind]()
    before = [atoms.calc for atoms in frames] if kind == "atoms" else None
    run = equishare.train(frames, valid=0.1, test=0.1, out=str(tmp_path / "run"), report=False, **TINY)
    assert same(run, of_files)
    assert not run.folder.report.exists()
    if before is not None:
        assert [atoms.calc for atoms in frames] == before


def test_parts_may_be_frames_and_files(tmp_path):
    run = equishare.train(
        datasets.load("ethanol")[:23], valid="ethanol@30:34", test=datasets.load("ethanol_test")[:3],
        out=str(tmp_path / "run"), report=False, **TINY,
    )  # fmt: skip
    assert [len(part) for part in (run.data.split.train, run.data.split.valid, run.data.split.test)] == [20, 4, 3]


def test_a_run_goes_on_with_the_same_frames_only(tmp_path):
    frames, out = datasets.load("ethanol")[:43], str(tmp_path / "run")
    equishare.train(frames, valid=0.1, test=0.1, out=out, report=False, **TINY)
    longer = equishare.train(frames, resume=out, epochs=3, report=False)  # with its own fractions
    assert [row["epoch"] for row in longer.folder.read_metrics()] == [1, 2, 3]
    with pytest.raises(EquishareError, match="came from Python"):
        fit(longer.config, resume=longer.folder)
    with pytest.raises(EquishareError, match="is not this one: hash of the training frames was"):
        equishare.train(frames[:40], valid=0.1, test=0.1, resume=out, epochs=4)
    with pytest.raises(ConfigError, match=r"leave out model\.cutoff"):
        equishare.train(frames, resume=out, cutoff=4.0)


def test_settings_that_are_none(tmp_path):
    with pytest.raises(ConfigError, match="unknown setting 'epoch'; did you mean 'epochs'"):
        sections_of({"epoch": 3})
    with pytest.raises(ConfigError, match="dictionary"):
        sections_of({"model": 3})
    with pytest.raises(ConfigError, match="batch_size"):
        equishare.train(SOURCE, batch_size=0, out=str(tmp_path / "run"))
    with pytest.raises(EquishareError, match="expected files, or a list of Frame"):
        equishare.train([np.zeros(3)], out=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
