"""A run whose validation no longer improves turns its rate down and ends, the same way each time and wherever it was cut."""

import copy
import io
import subprocess
import sys

import pytest
import torch
from rich.console import Console

from equishare.potential import load
from equishare.training import ending, validation
from equishare.training.budget import Budget
from equishare.training.checkpoint import CheckpointError
from equishare.training.config import OptimisationConfig
from equishare.training.config.config_file import to_yaml
from equishare.training.ending import Ending
from equishare.training.fit import fit
from equishare.training.run_folder import RunFolder, kept_row
from equishare.training.state import TrainingState
from equishare.training.validation import Validation


def begun_at(losses, train=0.5, patience=0.25, before=0):
    """The step at which the ending begins, where validations come every hundred steps."""
    watched = Ending(patience)
    for count, loss in enumerate(losses, start=1):
        if watched.after(before + 100 * count, loss, train, rate=0.01):
            return before + 100 * count
    return None


FALLING = [2.0**-k for k in range(30)]


@pytest.mark.parametrize(
    ("losses", "given", "expected"),
    [
        (FALLING, {}, None),
        ([1.0] * 30, {}, 600),  # the fewest steps without a better one
        ([0.97**k for k in range(20)] + [1.0] * 30, {"train": 0.3}, 2700),  # a quarter of all
        ([0.995**k for k in range(30)], {}, None),  # slow, but it adds up
        ([1.0] * 30, {"train": 0.8}, None),  # nothing is learnt by heart: the rate is too high
        ([1.0] * 30, {"patience": 0.0}, None),
        ([1.0] * 30, {"before": 4000}, 5500),  # of a run that goes on
        ([float("nan")] * 30, {"train": float("nan")}, None),
    ],
)
def test_when_it_begins(losses, given, expected):
    assert begun_at(losses, **given) == expected


def test_the_rate_falls_from_where_it_is_and_never_above_the_schedule(small_potential):
    options = OptimisationConfig(warmup=0.0, learning_rate=0.01, patience=0.25)
    state = TrainingState(small_potential, options, Budget(epochs=100, steps_per_epoch=100))
    scheduled = []
    for state.step in range(10_000):
        scheduled.append(state.learning_rate)
    for state.step in (100, 200, 300, 400, 1000, 1500, 1600):
        begun = state.ending.after(state.step, 0.999 if state.step == 1000 else 1.0, 0.1, state.learning_rate)
        if begun:
            break
    assert (begun, state.ending.best_step) == (True, 1000)
    rates, fractions = [], []
    for state.step in range(1500, 1801):
        rates.append(state.learning_rate)
        fractions.append(state.fraction)
    assert rates[0] == scheduled[1500]
    assert rates[-1] == pytest.approx(0.01 * rates[0])
    assert rates == sorted(rates, reverse=True)
    assert all(rate <= before for rate, before in zip(rates, scheduled[1500:], strict=False))
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (pytest.approx(1500 / 1800), 1.0)
    assert state.over


@pytest.fixture
def soon(monkeypatch, tiny):
    """Settings of a run whose validation can hardly improve, and ends at step 16 or so of 100."""
    monkeypatch.setattr(ending, "_STEPS", 4)
    monkeypatch.setattr(ending, "_LEARNT", float("inf"))
    monkeypatch.setattr(ending, "_BETTER", 0.01)
    return lambda out, epochs=25: tiny(
        optimisation={"batch_size": 8, "patience": 0.2}, budget={"epochs": epochs}, run={"out": str(out)}
    )


def rows_of(folder):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in folder.read_metrics()]


@pytest.fixture
def whole(soon, tmp_path):
    file = io.StringIO()
    run = fit(soon(tmp_path / "whole"), console=Console(file=file, width=200))
    return run, file.getvalue()


def test_it_ends_early_says_so_and_goes_on_exactly_where_it_was_killed(soon, whole, tmp_path, monkeypatch):
    run, said = whole
    rows = run.folder.read_metrics()
    last = rows[-1]["step"]
    assert 10 < last < 60
    assert rows[-1]["learning_rate"] <= 0.1 * max(row["learning_rate"] for row in rows)
    assert said.count("Validation no longer improves") == 1
    assert run.evaluations["test"].n_frames > 0
    kept, final = (load(path).state_dict() for path in (run.folder.model, run.folder.last))
    assert kept_row(rows) is rows[-1]
    assert all(torch.equal(kept[key], final[key]) for key in final)
    with pytest.raises(CheckpointError, match="no longer improved"):
        fit(run.config, resume=run.folder)
    take_step = TrainingState.take_step
    for name, step in (("before", 6), ("within", last - 2)):

        def killed(self, objective, batch, at=step):
            if self.step == at:
                raise RuntimeError("killed")
            take_step(self, objective, batch)

        config = soon(tmp_path / name)
        with monkeypatch.context() as patch:
            patch.setattr(TrainingState, "take_step", killed)
            with pytest.raises(RuntimeError, match="killed"):
                fit(config)
        resumed = fit(config, resume=RunFolder.existing(tmp_path / name))
        assert rows_of(resumed.folder) == rows_of(run.folder)
        first, second = (load(each.folder.last).state_dict() for each in (run, resumed))
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_it_goes_back_to_the_weights_of_the_lowest_loss(soon, tmp_path, monkeypatch):
    """Even where the model file holds others by then, as after a validation that an interruption adds."""
    losses = iter([5.0, 1.0] + 30 * [2.0])
    validate, go_back = Validation.validate, TrainingState.go_back
    judged, after = [], []

    def validated(self, state):
        judged.append(copy.deepcopy(state.averaged.potential.state_dict()))
        validate(self, state)
        self.folder.model.write_bytes(self.folder.last.read_bytes())

    def gone_back(self, weights):
        go_back(self, weights)
        after.extend(copy.deepcopy(each.state_dict()) for each in (self.potential, self.averaged.potential))

    monkeypatch.setattr(validation, "evaluation_loss", lambda *_: next(losses))
    monkeypatch.setattr(Validation, "validate", validated)
    monkeypatch.setattr(TrainingState, "go_back", gone_back)
    fit(soon(tmp_path / "run"))
    assert len(judged) > 4
    for weights in after[:2]:
        assert all(torch.equal(weights[name], value) for name, value in judged[1].items())
        assert not all(torch.equal(weights[name], value) for name, value in judged[2].items())


def test_another_budget_lets_it_go_on(whole, soon):
    run, _ = whole
    before = run.folder.read_metrics()
    fit(soon(run.folder.path, epochs=100), resume=run.folder)
    after = run.folder.read_metrics()
    assert after[: len(before)] == before
    assert after[-1]["step"] > before[-1]["step"]


def test_a_checkpoint_that_knows_of_no_ending_goes_on(small_potential):
    """As those of before: it is watched from where it goes on."""
    options, budget = OptimisationConfig(), Budget(epochs=10, steps_per_epoch=10)
    state = TrainingState(small_potential, options, budget)
    state.step = 50
    stored = {name: value for name, value in state.state_dict().items() if name not in ("ending", "budget")}
    again = TrainingState(small_potential, options, budget)
    again.load_state_dict(stored)
    assert (again.step, again.ending.begun) == (50, None)
    assert not again.ending.after(60, 1.0, 0.1, 0.01)
    assert again.ending.lowest_step == 60


SOON = """
import sys
from equishare.cli import main
from equishare.training import ending, validation

ending._STEPS, ending._LEARNT, ending._BETTER = 4, float("inf"), 0.01
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_two_processes_end_together(soon, tmp_path):
    script, settings, out = tmp_path / "soon.py", tmp_path / "c.yaml", tmp_path / "run"
    script.write_text(SOON)
    settings.write_text(to_yaml(soon(out)))
    command = [sys.executable, str(script), "train", "--config", str(settings), "--out", str(out), "--devices", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Validation no longer improves") == 1
    assert 10 < RunFolder(out).read_metrics()[-1]["step"] < 60
