"""The loop: what it makes, that it goes on, and that a labeller that misbehaves does not stop it."""

import json
import shutil

import numpy as np
import pytest
from ase.build import molecule
from ase.io import read
from labellers import cannot_be_made, dies, good, hangs, never, not_finite, raises, unconverged

import equishare
from equishare.learning import LearnError, LearnSettings, Steps
from equishare.learning.campaign import Campaign
from equishare.learning.choosing import choose
from equishare.learning.folder import LearnFolder, Round
from equishare.learning.labelling.pool import LabellerError, LabelPool
from equishare.learning.ledger import Ledger
from equishare.learning.training import errors, train_into
from equishare.potential import load


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, copper, quick):
    folder = tmp_path_factory.mktemp("learn") / "campaign"
    return equishare.learn(copper, good, out=folder, report=False, **quick)


def test_a_campaign_is_a_potential_and_its_labels(learnt, copper):
    assert learnt.reason == "22 labels are used"
    assert not learnt.reached
    frames = read(learnt.folder.labels, ":")
    assert len(frames) == 22
    assert len({frame.info["ask"] for frame in frames}) == 22
    assert sum(frame.info["role"] == "valid" for frame in frames) >= 4
    for frame in frames[::7]:
        fresh = frame.copy()
        fresh.calc = good()
        assert np.allclose(fresh.get_forces(), frame.get_forces(), atol=1e-7)
        assert np.allclose(fresh.get_stress(), frame.get_stress(), atol=1e-7)
    assert load(learnt.folder.model).species == ("Cu",)
    assert learnt.errors["forces"] > 0
    assert learnt.errors["stress"] > 0


def test_rounds_are_told(learnt):
    assert [record.labels for record in learnt.records] == [12, 20, 22]
    assert learnt.records[0].fresh == {}
    assert learnt.records[1].fresh["forces"] > 0
    assert learnt.records[1].uncertainty > 0
    asked = read(learnt.folder.round(1).asked, ":")
    assert [frame.info["role"] for frame in asked].count("valid") == 2
    assert all("uncertain by" in frame.info["why"] for frame in asked if frame.info["role"] == "train")


def test_a_training_that_makes_it_worse_is_not_kept(learnt, tmp_path, quick):
    """The best potential so far stays, of rounds and of the last training."""
    settings = LearnSettings(training={**quick["training"], "learning_rate": 0.5})
    ledger = Ledger(learnt.folder)
    begun = Campaign(settings, learnt.folder, [ledger.labelled[0]], LabelPool(good, 1, 1.0), ledger)
    place = Round(tmp_path)
    kept = train_into(begun, place, learnt.folder.model, steps=3)
    assert place.model.read_bytes() == learnt.folder.model.read_bytes()
    spoilt = errors(load(place.training / "model.safetensors"), ledger.frames("valid"))["forces"]
    assert spoilt > errors(kept, ledger.frames("valid"))["forces"] == learnt.errors["forces"]


@pytest.mark.slow
def test_it_goes_on(learnt, tmp_path, copper, quick):
    """Two rounds in one go, or one and then one more, are the same."""
    folder = tmp_path / "campaign"
    equishare.learn(copper, good, out=folder, report=False, **{**quick, "max_labels": 12})
    longer = equishare.learn(out=folder, calculator=good, resume=True, max_labels=22, report=False)
    assert json.loads(longer.folder.round(0).record.read_text())["labels"] == 12
    first, second = (read(each.folder.labels, ":") for each in (learnt, longer))
    by_name = {frame.info["ask"]: frame for frame in second}
    assert all(np.array_equal(frame.positions, by_name[frame.info["ask"]].positions) for frame in first)
    assert learnt.records[1].held_out == longer.records[1].held_out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (raises, "the moon is in the wrong house"),
        (not_finite, "the forces are not finite"),
        (unconverged, "not converged"),
        (dies, "the process died"),
        (hangs, "the time limit of a label"),
    ],
)
def test_labels_that_fail_are_kept_aside(tmp_path, copper, quick, make, reason):
    options = {**quick, "max_labels": 35, "first": 25, "label_limit": 3.0}
    found = equishare.learn(copper, make, out=tmp_path / "campaign", report=False, **options)
    failed = read(found.folder.failed, ":")
    frames = read(found.folder.labels, ":")
    assert 1 <= len(failed) <= 15
    assert all(reason in frame.info["reason"] for frame in failed)
    assert len(frames) + len(failed) == 35
    assert not {frame.info["ask"] for frame in failed} & {frame.info["ask"] for frame in frames}
    assert all(np.isfinite(frame.get_forces()).all() for frame in frames)


def test_a_method_that_never_works_stops_early(tmp_path, copper, quick):
    with pytest.raises(LearnError, match=r"too many labels fail.*no licence"):
        equishare.learn(copper, never, out=tmp_path / "campaign", **quick)


def test_a_method_that_cannot_be_set_up(tmp_path, copper, quick):
    with pytest.raises(LabellerError, match="cannot be set up: RuntimeError: no such basis"):
        equishare.learn(copper, cannot_be_made, out=tmp_path / "campaign", **quick)
    assert not (tmp_path / "campaign").exists()


def test_a_calculator_that_cannot_go_to_another_process(tmp_path, copper, quick):
    with pytest.raises(LabellerError, match="function of a module"):
        equishare.learn(copper, lambda: good(), out=tmp_path / "campaign", **quick)
    assert not (tmp_path / "campaign").exists()


def test_steps_may_be_replaced(tmp_path, copper, quick):
    seen = []

    def two(campaign, pool):
        seen.append(len(pool))
        return choose(campaign, pool)

    steps = Steps(choose=two, stop=lambda campaign: "reached: enough" if campaign.number == 1 else None)
    found = equishare.learn(copper, good, out=tmp_path / "campaign", steps=steps, report=False, **quick)
    assert (len(found.records), len(seen), found.reached) == (1, 1, True)


def test_a_folder_where_another_process_learns_is_left_alone(tmp_path, learnt):
    folder = LearnFolder(tmp_path / "campaign")
    folder.path.mkdir()
    shutil.copy(learnt.folder.settings, folder.settings)
    shutil.copy(learnt.folder.start, folder.start)
    half = learnt.folder.labels.read_text()[:-20]  # the other one is writing
    folder.labels.write_text(half)
    before = folder.settings.read_text()
    with folder.held(), pytest.raises(LearnError, match="another process learns in"):
        equishare.learn(out=folder.path, calculator=good, resume=True, max_labels=200)
    assert folder.labels.read_text() == half
    assert folder.settings.read_text() == before


def test_starts_of_several_charges(tmp_path):
    starts = [molecule("H2O"), molecule("H2O")]
    starts[1].info["charge"] = 1
    with pytest.raises(LearnError, match=r"have \(0, 1\), \(1, 1\); learn each on its own"):
        equishare.learn(starts, "xtb", out=tmp_path / "campaign")
    assert not (tmp_path / "campaign").exists()


def test_wrong_use(tmp_path, copper, quick, learnt):
    with pytest.raises(LearnError, match="unknown setting 'max_label'"):
        equishare.learn(copper, good, out=tmp_path / "a", max_label=3)
    with pytest.raises(LearnError, match="holds a campaign already"):
        equishare.learn(copper, good, out=learnt.folder.path, **quick)
    with pytest.raises(LearnError, match="no campaign to go on with"):
        equishare.learn(out=tmp_path / "b", resume=True)
    with pytest.raises(LearnError, match="came from Python"):
        equishare.learn(out=learnt.folder.path, resume=True)
    with pytest.raises(LearnError, match="leave out first"):
        equishare.learn(out=learnt.folder.path, calculator=good, resume=True, first=20)
    with pytest.raises(LearnError, match="structure to start from"):
        equishare.learn(copper)
    with pytest.raises(LearnError, match="epochs is set by learning itself"):
        equishare.learn(copper, good, training={"epochs": 3})
