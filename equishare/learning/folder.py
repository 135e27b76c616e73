"""The folder of a campaign: what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from equishare.learning.settings import LearnError


@dataclass(frozen=True)
class Round:
    """Paths of a round; each file is written whole when its step is done.

    ================= ========================================================
    pool.xyz          configurations that were drawn
    draw.json         why trajectories were stopped
    asked.xyz         those to label, with the reason
    training/         the training run
    model.safetensors the potential after it
    round.json        what was found; the round is over
    ================= ========================================================
    """

    path: Path

    @property
    def pool(self) -> Path:
        """What was drawn."""
        return self.path / "pool.xyz"

    @property
    def draw(self) -> Path:
        """What happened while it was drawn."""
        return self.path / "draw.json"

    @property
    def asked(self) -> Path:
        """What is to be labelled."""
        return self.path / "asked.xyz"

    @property
    def training(self) -> Path:
        """The training run."""
        return self.path / "training"

    @property
    def model(self) -> Path:
        """The potential."""
        return self.path / "model.safetensors"

    @property
    def record(self) -> Path:
        """What was found."""
        return self.path / "round.json"


@dataclass(frozen=True)
class LearnFolder:
    """Paths of a campaign.

    ================= ========================================================
    settings.json     what was asked
    start.xyz         where it starts
    labels.xyz        labelled frames, as they came; plain extended XYZ
    failed.xyz        frames whose label failed, with the reason
    apart.xyz         configurations that reacted or fell apart, with the reason
    rounds/000/ ...   a folder each round (`Round`)
    final/            the last training run
    model.safetensors the best potential so far
    dynamics/         dynamics of that potential
    report.html       the report
    ================= ========================================================
    """

    path: Path

    @property
    def settings(self) -> Path:
        """What was asked."""
        return self.path / "settings.json"

    @property
    def start(self) -> Path:
        """Where it starts."""
        return self.path / "start.xyz"

    @property
    def labels(self) -> Path:
        """Labelled frames."""
        return self.path / "labels.xyz"

    @property
    def failed(self) -> Path:
        """Frames without a label."""
        return self.path / "failed.xyz"

    @property
    def apart(self) -> Path:
        """Configurations that are other molecules."""
        return self.path / "apart.xyz"

    @property
    def final(self) -> Round:
        """The last training."""
        return Round(self.path / "final")

    @property
    def model(self) -> Path:
        """The best potential."""
        return self.path / "model.safetensors"

    @property
    def dynamics(self) -> Path:
        """Dynamics of the best potential."""
        return self.path / "dynamics"

    @property
    def plots(self) -> Path:
        """Pictures of the report."""
        return self.path / "plots"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def round(self, number: int) -> Round:
        """Paths of a round."""
        return Round(self.path / "rounds" / f"{number:03d}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out.

        Raises:
            LearnError: if one is at work here.
        """
        lock = FileLock(self.path / "learn.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise LearnError(f"another process learns in {self.path}; wait for it, or choose another folder") from None
        try:
            yield
        finally:
            lock.release()
