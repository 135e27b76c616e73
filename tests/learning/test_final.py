"""The last training: with the help of GFN2-xTB, where another method labels a molecule."""

import io

import pytest
from ase.build import bulk, molecule
from ase.io import read
from labellers import good, of_the_first_generation
from rich.console import Console

import equishare
from equishare.learning import LearnSettings
from equishare.learning.campaign import Campaign
from equishare.learning.final import ways
from equishare.learning.folder import LearnFolder
from equishare.learning.labelling.pool import LabelPool
from equishare.learning.ledger import Ledger
from equishare.learning.training import errors
from equishare.potential import load

pytest.importorskip("tblite")


@pytest.mark.parametrize(
    ("start", "method", "training", "helps"),
    [
        (molecule("H2O"), "pyscf:pbe/def2-svp", {}, True),
        (molecule("H2O"), None, {}, True),
        (molecule("H2O"), "xtb", {}, False),
        (molecule("H2O"), None, {"base": "xtb"}, False),
        (molecule("H2O"), None, {"model": {"base": "xtb"}}, False),
        (bulk("Cu"), "chgnet", {}, False),
    ],
)
def test_where_xtb_helps(tmp_path, start, method, training, helps):
    folder = LearnFolder(tmp_path)
    settings = LearnSettings(temperatures=(300, 600), training=training)
    campaign = Campaign(settings, folder, [start], LabelPool(good, 1, 1.0), Ledger(folder), method)
    first, *others = ways(campaign, 100)
    assert [*others] == ([None] if helps else [])
    assert (first is not None) == helps
    if helps:
        assert first.temperatures == [300.0, 600.0, 900.0]
        assert first.frames == 100 * 25 // 10  # ten passes of steps of 75 atoms


@pytest.mark.slow
def test_it_starts_from_frames_of_xtb_on_the_level_of_the_labels(tmp_path, quick):
    """And is better than what the rounds made."""
    said = io.StringIO()
    learnt = equishare.learn(
        molecule("H2O"),
        of_the_first_generation,
        out=tmp_path / "campaign",
        report=False,
        console=Console(file=said, width=200),
        **{**quick, "max_labels": 12},
    )
    assert "after many frames of GFN2-xTB" in said.getvalue()
    training = learnt.folder.final.training
    drawn = read(training / "pretraining.xyz", ":")
    assert {frame.info["config_type"] for frame in drawn} == {"xtb_300K", "xtb_600K"}
    assert (training / "pretraining" / "model.safetensors").exists()
    before = errors(load(learnt.folder.round(0).model), Ledger(learnt.folder).frames("valid"))["forces"]
    assert learnt.errors["forces"] < before
