"""Validations written to where other runs are: TensorBoard, Weights & Biases, MLflow or CSV, by Lightning's loggers."""

from __future__ import annotations

import os
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from equishare.errors import EquishareError
from equishare.training.config.sections import LoggerName
from equishare.training.run_folder import RunFolder

_PACKAGES: dict[LoggerName, tuple[str, ...]] = {
    "csv": (),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
}


class LoggerError(EquishareError):
    """A logger's package is not installed, or cannot start."""


def check_logger(name: LoggerName | None) -> None:
    """Make sure, before long work, that the packages of a logger are there; nothing is imported.

    Raises:
        LoggerError: one is absent; the message says how to install it.
    """
    absent = [package for package in (_PACKAGES[name] if name else ()) if not find_spec(package)]
    if absent:
        raise LoggerError(f"the logger {name} needs packages that are not installed: pip install {' '.join(absent)}")


class RunLogger:
    """Hands the validations of a run to a logger, inside a ``with`` block; the settings of the run come first.

    A run that is resumed is a new one to the logger, and tells it of the validations before.

    Args:
        name: Of the logger; None logs nothing.
        folder: Of the run; what is written to disk goes into a folder of the logger's name in it.
        settings: Of the run, nested.
    """

    def __init__(self, name: LoggerName | None, folder: RunFolder, settings: dict[str, Any]) -> None:
        self.name, self.folder, self.settings = name, folder, settings
        self._logger: Any = None

    def begin(self, rows: list[dict[str, Any]]) -> None:
        """Start, and tell of the validations that there are.

        Raises:
            LoggerError: the logger's package does not start.
        """
        if self.name is None:
            return
        try:
            self._logger = _make(self.name, self.folder)
            if self.name != "csv":  # which holds numbers only; the settings are in config.yaml
                self._logger.log_hyperparams(self.settings)
        except OSError:
            raise
        except Exception as error:  # these packages raise whatever their set-up meets
            raise LoggerError(f"the logger {self.name} does not start: {error}") from error
        for row in rows:
            self.on_row(row)

    def on_row(self, row: dict[str, Any]) -> None:
        """Log a validation: errors and losses by the names of ``metrics.csv``, at the step they were measured."""
        if self._logger is not None:
            values = {key: value for key, value in row.items() if key != "step" and value is not None}
            self._logger.log_metrics(values, step=int(row["step"]))
            self._logger.save()

    def __enter__(self) -> RunLogger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what is left, and close the run."""
        if self._logger is None:
            return
        self._logger.finalize("success" if error is None else "failed")
        if self.name == "wandb":
            self._logger.experiment.finish(exit_code=int(error is not None))
        self._logger = None


def _make(name: LoggerName, folder: RunFolder) -> Any:
    path, run = str(folder.path), folder.path.absolute().name
    if name in ("csv", "tensorboard"):
        from lightning_fabric import loggers

        return (loggers.CSVLogger if name == "csv" else loggers.TensorBoardLogger)(path, name=name)
    from lightning.pytorch.loggers import MLFlowLogger, WandbLogger

    if name == "wandb":
        # offline, if nothing else is said: a run waits for no network and no key; `wandb sync` sends it
        offline = os.environ.get("WANDB_MODE", "offline") != "online"
        project = os.environ.get("WANDB_PROJECT", "equishare")
        return WandbLogger(run, save_dir=path, offline=offline, project=project, settings={"silent": True})
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.path.absolute()}/mlflow.db"
    return MLFlowLogger("equishare", run_name=run, tracking_uri=uri)
