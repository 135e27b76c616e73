"""A whole run: it learns, it can be reproduced and resumed exactly, it stops in order."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from equishare.errors import EquishareError
from equishare.potential import load, read_header
from equishare.training.checkpoint import CheckpointError, read_checkpoint
from equishare.training.config.config_file import merge, to_yaml, validate
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.fit import fit
from equishare.training.objective import DivergedError
from equishare.training.run_folder import RunFolder, RunFolderError
from equishare.training.state import TrainingState


def rows_without_time(folder):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in folder.read_metrics()]


def same_weights(first, second):
    a, b = load(first).state_dict(), load(second).state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, tiny):
    return fit(tiny(run={"out": str(tmp_path_factory.mktemp("run") / "whole")}))


def test_run_folder_holds_what_it_promises(uninterrupted):
    folder = uninterrupted.folder
    for file in (folder.model, folder.last, folder.checkpoint, folder.config, folder.metrics):
        assert file.exists()
    assert not list(folder.path.glob(".*"))
    assert len(folder.read_metrics()) == 4
    about = read_header(folder.model).metadata
    assert about["errors"]["valid"]["forces_rmse"] == pytest.approx(uninterrupted.evaluations["valid"].rmse("forces"))
    assert about["domain"]["max_force"] > 0
    best = min(row["valid_loss"] for row in folder.read_metrics())
    row = next(row for row in folder.read_metrics() if row["valid_loss"] == best)
    assert uninterrupted.evaluations["valid"].rmse("forces") == pytest.approx(row["valid_forces_rmse"], rel=1e-5)


def test_global_state_is_left_alone(tmp_path, tiny):
    before = torch.random.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    fit(tiny(budget={"epochs": 1}, run={"out": str(tmp_path / "run"), "dtype": "float64"}))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (torch.get_default_dtype(), torch.get_num_threads()) == before[1:]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_the_written_config_repeats_the_run(uninterrupted, tmp_path):
    values = yaml.safe_load(uninterrupted.folder.config.read_text())
    config = validate(merge(values, {"run": {"out": str(tmp_path / "again")}}))
    again = fit(config)
    assert rows_without_time(again.folder) == rows_without_time(uninterrupted.folder)
    assert same_weights(again.folder.last, uninterrupted.folder.last)


def before_step(monkeypatch, number, act):
    """Do something before a step of the training."""
    original = TrainingState.take_step

    def step(self, objective, batch):
        if self.step == number:
            act()
        original(self, objective, batch)

    monkeypatch.setattr(TrainingState, "take_step", step)


def kill():
    raise RuntimeError("killed")


@pytest.mark.parametrize("step", [7, 12])
def test_a_killed_run_resumes_exactly(uninterrupted, tmp_path, monkeypatch, step, tiny):
    config = tiny(run={"out": str(tmp_path / "run")})
    with monkeypatch.context() as patch:
        before_step(patch, step, kill)
        with pytest.raises(RuntimeError, match="killed"):
            fit(config)
    resumed = fit(config, resume=RunFolder.existing(tmp_path / "run"))
    assert rows_without_time(resumed.folder) == rows_without_time(uninterrupted.folder)
    assert same_weights(resumed.folder.last, uninterrupted.folder.last)
    assert same_weights(resumed.folder.model, uninterrupted.folder.model)


@pytest.mark.parametrize("step", [1, 6])  # inside the first epoch of four steps, and inside the second
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_reports_and_loses_no_step(uninterrupted, tmp_path, monkeypatch, number, step, tiny):
    config = tiny(run={"out": str(tmp_path / "run")})
    before = signal.signal(number, signal.default_int_handler)  # it may be ignored here, as nohup has it
    try:
        with monkeypatch.context() as patch:
            before_step(patch, step, lambda: signal.raise_signal(number))
            stopped = fit(config)
    finally:
        signal.signal(number, before)
    assert stopped.interrupted == number
    assert stopped.evaluations["valid"].n_frames > 0
    assert stopped.folder.read_metrics()[-1]["step"] == step + 1
    assert read_checkpoint(stopped.folder.checkpoint)["training"]["step"] == step + 1
    resumed = fit(config, resume=RunFolder.existing(tmp_path / "run"))
    assert rows_without_time(resumed.folder) == rows_without_time(uninterrupted.folder)
    assert same_weights(resumed.folder.last, uninterrupted.folder.last)


def test_a_signal_that_is_ignored_stays_ignored(tmp_path, monkeypatch, tiny):
    """As nohup has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        before_step(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGHUP))
        assert fit(tiny(run={"out": str(tmp_path / "run")})).interrupted is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_finished_run_needs_a_larger_budget(uninterrupted):
    with pytest.raises(CheckpointError, match="larger"):
        fit(uninterrupted.config, resume=uninterrupted.folder)


def test_a_run_that_was_killed_before_it_was_judged_is_judged(tmp_path, tiny, monkeypatch):
    config = tiny(budget={"epochs": 2}, run={"out": str(tmp_path / "run")})
    with monkeypatch.context() as patch:
        patch.setattr("equishare.training.fit.judge", lambda *given: kill())
        with pytest.raises(RuntimeError, match="killed"):
            fit(config)
    folder = RunFolder.existing(tmp_path / "run")
    rows = rows_without_time(folder)
    judged = fit(config, resume=folder)
    assert rows_without_time(folder) == rows
    assert judged.evaluations["valid"].rmse("forces") > 0
    assert "errors" in read_header(folder.model).metadata
    again = fit(config, resume=folder, report=True)  # killed before there was a report
    assert again.evaluations["test"].rmse("forces") == judged.evaluations["test"].rmse("forces")
    folder.report.write_text("")
    with pytest.raises(CheckpointError, match="larger"):
        fit(config, resume=folder, report=True)


def test_a_finished_run_goes_on_with_a_larger_budget(tmp_path, tiny):
    first = fit(tiny(budget={"epochs": 2}, run={"out": str(tmp_path / "run")}))
    before = first.folder.read_metrics()
    fit(tiny(budget={"epochs": 5}), resume=first.folder)
    rows = first.folder.read_metrics()
    assert rows[: len(before)] == before
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["seconds"] > before[-1]["seconds"]


def test_other_frames_are_not_resumed(uninterrupted, tiny):
    config = tiny(data={"train": "ethanol@:44"}, budget={"epochs": 9})
    with pytest.raises(CheckpointError, match="is not this one: hash of the training frames was"):
        fit(config, resume=uninterrupted.folder)


def test_a_pickle_posing_as_a_checkpoint_is_refused(uninterrupted, tmp_path, tiny):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.config.write_text(uninterrupted.folder.config.read_text())
    torch.save({"equishare": Bomb()}, folder.checkpoint)
    with pytest.raises(CheckpointError):
        fit(tiny(budget={"epochs": 9}), resume=folder)
    assert not (tmp_path / "ran").exists()


def test_it_learns(tmp_path, tiny):
    run = fit(
        tiny(
            data={"train": "ethanol@:11", "valid": 0.1, "test": 0.0},
            model={"channels": 16, "l_density": 2, "body_order": 4, "cutoff": 4.5, "n_basis": 8},
            optimisation={"batch_size": 2},
            budget={"epochs": 40},
            run={"out": str(tmp_path / "run")},
        )
    )
    assert "test" not in run.evaluations
    rows = run.folder.read_metrics()
    assert rows[-1]["train_loss"] < 0.2 * rows[0]["train_loss"]
    fitted = evaluate(load(run.folder.last), run.data.split.train)
    assert fitted.rmse("forces") < 0.5 * run.data.inspection.summary["parts"]["train"]["force_rms"]


def test_loss_that_is_no_number_stops_with_the_frames(tmp_path, tiny):
    config = tiny(optimisation={"learning_rate": 1e30, "warmup": 0.0}, run={"out": str(tmp_path / "run")})
    with pytest.raises(DivergedError, match=r"ethanol\.xyz@\d+.*learning_rate"):
        fit(config)


def test_a_folder_in_use_is_not_overwritten(uninterrupted, tiny):
    with pytest.raises(RunFolderError, match="not empty"):
        fit(tiny(run={"out": str(uninterrupted.folder.path)}))


def test_data_that_cannot_be_used_leaves_no_folder(tmp_path, tiny):
    with pytest.raises(EquishareError):
        fit(tiny(data={"train": "nowhere.xyz"}, run={"out": str(tmp_path / "run")}))
    assert not (tmp_path / "run").exists()


@pytest.mark.gpu
def test_a_run_on_a_gpu(tmp_path, tiny):
    run = fit(tiny(budget={"epochs": 3}, run={"out": str(tmp_path / "run"), "device": "cuda"}))
    rows = run.folder.read_metrics()
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    resumed = fit(tiny(budget={"epochs": 5}, run={"device": "cuda"}), resume=run.folder)
    assert resumed.folder.read_metrics()[-1]["epoch"] == 5
    assert load(run.folder.model).device.type == "cpu"


@pytest.mark.slow
def test_killed_process_resumes_at_the_prompt(tmp_path, tiny):
    config = tmp_path / "c.yaml"
    config.write_text(to_yaml(tiny(budget={"epochs": 400})))
    command = [sys.executable, "-m", "equishare.cli", "train"]
    running = subprocess.Popen([*command, "--config", str(config), "--out", str(tmp_path / "run")])
    while not (tmp_path / "run" / "checkpoint.ckpt").exists():
        assert running.poll() is None
        time.sleep(0.1)
    time.sleep(1.0)
    running.kill()
    running.wait()
    folder = RunFolder.existing(tmp_path / "run")
    assert len(folder.read_metrics()) < 200
    done = subprocess.run([*command, "--resume", str(folder.path)], capture_output=True, text=True, check=True)
    assert "Trained in" in done.stdout
    whole = fit(tiny(budget={"epochs": 400}, run={"out": str(tmp_path / "whole")}))
    assert rows_without_time(folder) == rows_without_time(whole.folder)
    assert same_weights(folder.last, whole.folder.last)
