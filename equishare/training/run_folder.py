"""The folder of a training run: what it holds, and that it can be written."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from equishare.errors import EquishareError
from equishare.files import write_text
from equishare.folders import Inside, held
from equishare.potential import read_header

__all__ = ["RunFolder", "RunFolderError"]

_SPACE = 30_000_000


class RunFolderError(EquishareError):
    """A run folder cannot be made or does not hold what it should."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run.

    ===================== ============================================================
    model.safetensors     the potential that was best on the validation frames
    last.safetensors      the potential as it was last
    checkpoint.ckpt       what `--resume` continues from
    config.yaml           the complete configuration
    metrics.csv           a row each validation; eV, eV/Å
    report.html, plots/   the report
    run.lock              held by the process that trains here
    start.safetensors     a copy of the weights that training started from
    difference/           a run of its own that learns what GFN2-xTB misses
    pretraining.xyz       the frames that pretraining drew, with labels of GFN2-xTB and the difference
    pretraining/          a run of its own on the frames of a cheap method
    ===================== ============================================================
    """

    path: Path
    model = Inside("model.safetensors")
    last = Inside("last.safetensors")
    checkpoint = Inside("checkpoint.ckpt")
    config = Inside("config.yaml")
    metrics = Inside("metrics.csv")
    lock = Inside("run.lock")
    report = Inside("report.html")
    plots = Inside("plots")
    start = Inside("start.safetensors")
    sampled = Inside("pretraining.xyz")

    def is_judged(self, report: bool) -> bool:
        """Whether the model file says how good the model is, and, where a `report` belongs to the run, there is one."""
        judged = self.model.exists() and "errors" in read_header(self.model).metadata
        return judged and (self.report.exists() or not report)

    @property
    def pretraining(self) -> RunFolder:
        """The run before the run."""
        return RunFolder(self.path / "pretraining")

    @property
    def difference(self) -> RunFolder:
        """The run before that, where frames are drawn."""
        return RunFolder(self.path / "difference")

    @classmethod
    def create(cls, out: str | None, data_name: str) -> RunFolder:
        """Make the folder `out`, or ``runs/<data name>-<n>`` with the first n that is free.

        Raises:
            RunFolderError: if `out` holds something, cannot be written, or the disk is full.
        """
        try:
            if out is None:
                path = _next_free(Path("runs"), data_name)
            else:
                path = Path(out)
                path.mkdir(parents=True, exist_ok=True)
                if any(path.iterdir()):
                    raise RunFolderError(
                        f"{path} is not empty; name another folder, or continue the run in it with --resume {path}"
                    )
            folder = cls(path)
            folder.check_writable()
        except OSError as error:
            raise RunFolderError(f"cannot write the run folder: {error}; name another one with --out") from error
        return folder

    @classmethod
    def existing(cls, path: str | os.PathLike[str]) -> RunFolder:
        """A folder with a run that can be continued.

        Raises:
            RunFolderError: if there is none.
        """
        folder = cls(Path(path))
        if not folder.path.is_dir():
            raise RunFolderError(f"no run folder at {path}")
        before = any(run.checkpoint.exists() for run in (folder.difference, folder.pretraining))
        for file in (folder.config, folder.checkpoint):
            if not file.exists() and not before:
                raise RunFolderError(
                    f"{path} holds no {file.name}, so there is nothing to continue: "
                    "the run ended before its first epoch was complete. Start it anew with another --out"
                )
        try:
            folder.check_writable()
        except OSError as error:
            raise RunFolderError(f"cannot write the run folder: {error}") from error
        return folder

    def check_writable(self) -> None:
        """Write and remove a small file.

        Raises:
            OSError: if that fails.
            RunFolderError: if there is too little space.
        """
        probe = self.path / f".probe.{os.getpid()}"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
        free = shutil.disk_usage(self.path).free
        if free < _SPACE:
            raise RunFolderError(
                f"{free / 1e6:.0f} MB are free for {self.path}, a run needs {_SPACE / 1e6:.0f}; make space, "
                "or name another folder with --out"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the folder inside a ``with`` block.

        Raises:
            RunFolderError: if another run holds the folder.
        """
        with held(
            self.lock,
            lambda who: RunFolderError(
                f"the run in {self.path} is still going on ({who}); wait for it or stop it, or name another folder"
            ),
        ):
            yield

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say of a file that cannot be written, as on a full disk, what is whole and how to go on.

        Raises:
            RunFolderError: in place of an `OSError` inside the block.
        """
        try:
            yield
        except OSError as error:
            if self.checkpoint.exists():
                how = f"make room, then continue with equishare train --resume {quote(str(self.path))}"
            else:
                how = "make room and start again; there is no checkpoint yet"
            raise RunFolderError(
                f"cannot write in the run folder: {error}. Files written before are whole: {how}"
            ) from error

    def remove_if_empty(self) -> None:
        """Leave no empty folder behind."""
        if self.path.is_dir() and list(self.path.iterdir()) == [self.lock]:
            self.lock.unlink()
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the table of the validations."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "" if value is None else value for key, value in row.items()})
        write_text(self.metrics, stream.getvalue())

    def read_metrics(self) -> list[dict[str, float | None]]:
        """Rows of the table of the validations; none if there is no table yet."""
        if not self.metrics.exists():
            return []
        with self.metrics.open(encoding="utf-8", newline="") as stream:
            return [
                {
                    key: None if not value else int(value) if value.isdigit() else float(value)
                    for key, value in row.items()
                }
                for row in csv.DictReader(stream)
            ]


def kept_row(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of the table of the validations, the one whose weights are in the model file: the last that replaced it.

    >>> kept_row([{"valid_loss": 2.0, "kept": 1}, {"valid_loss": 1.0, "kept": 1}, {"valid_loss": 3.0, "kept": 0}])["valid_loss"]
    1.0
    >>> kept_row([{"valid_loss": 2.0}, {"valid_loss": 3.0}])["valid_loss"]  # of a run of before, without that column
    2.0
    """
    replaced = [row for row in rows if row.get("kept")]
    return replaced[-1] if replaced else min(rows, key=lambda row: row["valid_loss"])


def _next_free(parent: Path, name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = parent / f"{name}-{number}"
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1
