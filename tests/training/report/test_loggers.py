"""Loggers are told of every validation, under the names of metrics.csv."""

import csv
import sys

import pytest
from typer.testing import CliRunner

from equishare.cli import app
from equishare.training.fit import fit
from equishare.training.report import loggers
from equishare.training.report.loggers import LoggerError, check_logger
from equishare.training.run_folder import RunFolder


@pytest.fixture
def run(tiny, tmp_path):
    """A run that some logger is told of, and what metrics.csv says of it."""

    def begin(name, epochs=2):
        config = tiny(run={"out": str(tmp_path / "run"), "logger": name}, budget={"epochs": epochs})
        done = fit(config)
        return done, done.folder.read_metrics()

    return begin


def equal(row, logged):
    """Every number of a validation is logged."""
    for name, value in row.items():
        if value is not None and name != "step":
            assert float(logged[name]) == pytest.approx(value, rel=1e-6), name


def test_csv_with_a_resumption(run):
    done, rows = run("csv")
    with (done.folder.path / "csv" / "version_0" / "metrics.csv").open() as stream:
        logged = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in logged] == [row["step"] for row in rows]
    for row, values in zip(rows, logged, strict=True):
        equal(row, values)
    longer = done.config.model_copy(update={"budget": done.config.budget.model_copy(update={"epochs": 3})})
    fit(longer, resume=RunFolder.existing(done.folder.path))
    with (done.folder.path / "csv" / "version_1" / "metrics.csv").open() as stream:
        assert [float(row["epoch"]) for row in csv.DictReader(stream)] == [1, 2, 3]


def test_tensorboard(run):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done, rows = run("tensorboard")
    events = EventAccumulator(str(done.folder.path / "tensorboard" / "version_0")).Reload()
    for row, event in zip(rows, events.Scalars("valid_loss"), strict=True):
        assert (event.step, event.value) == (row["step"], pytest.approx(row["valid_loss"], rel=1e-6))


def test_wandb_offline(run):
    pytest.importorskip("wandb")
    done, _ = run("wandb")
    (folder,) = (done.folder.path / "wandb").glob("offline-run-*")
    (file,) = folder.glob("*.wandb")
    content = file.read_bytes()
    assert all(name.encode() in content for name in ("valid_loss", "valid_forces_rmse", "batch_size"))


def test_mlflow(run, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done, rows = run("mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{done.folder.path}/mlflow.db")
    (found,) = client.search_runs([client.get_experiment_by_name("equishare").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["run/seed"] == "0"
    equal(rows[-1], found.data.metrics)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_an_absent_package_is_named_before_anything_is_done(name, monkeypatch, tmp_path, tiny):
    monkeypatch.setattr(loggers, "find_spec", lambda package: None)
    with pytest.raises(LoggerError, match=f"pip install {name}"):
        fit(tiny(run={"out": str(tmp_path / "run"), "logger": name}))
    assert not (tmp_path / "run").exists()
    check_logger(None)


def test_a_logger_that_does_not_start_says_why(run, monkeypatch, tmp_path):
    def broken(name, folder):
        raise RuntimeError("no server there")

    monkeypatch.setattr(loggers, "_make", broken)
    with pytest.raises(LoggerError, match="the logger csv does not start: no server there"):
        run("csv")


def test_without_a_logger_nothing_is_imported(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric.loggers", None)
    monkeypatch.setitem(sys.modules, "lightning.pytorch.loggers", None)
    run(None, epochs=1)


def test_the_prompt_knows_four():
    result = CliRunner().invoke(app, ["train", "--logger", "neptune"])
    assert result.exit_code == 2
    assert all(name in result.output for name in ("csv", "tensorboard", "wandb", "mlflow"))
