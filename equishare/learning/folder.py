"""The folder of a campaign: what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from equishare.folders import Inside, held
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
    pool = Inside("pool.xyz")
    draw = Inside("draw.json")
    asked = Inside("asked.xyz")
    training = Inside("training")
    model = Inside("model.safetensors")
    record = Inside("round.json")


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
    settings = Inside("settings.json")
    start = Inside("start.xyz")
    labels = Inside("labels.xyz")
    failed = Inside("failed.xyz")
    apart = Inside("apart.xyz")
    model = Inside("model.safetensors")
    dynamics = Inside("dynamics")
    plots = Inside("plots")
    report = Inside("report.html")

    @property
    def final(self) -> Round:
        """The last training."""
        return Round(self.path / "final")

    def round(self, number: int) -> Round:
        """Paths of a round."""
        return Round(self.path / "rounds" / f"{number:03d}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out.

        Raises:
            LearnError: if one is at work here.
        """
        with held(
            self.path / "learn.lock",
            lambda who: LearnError(
                f"another process learns in {self.path} ({who}); wait for it, or choose another folder"
            ),
        ):
            yield
