"""Where learning stands: what every step is given, and what is noted of every round."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from rich.console import Console

from equishare.clock import Clock
from equishare.files import write_text
from equishare.learning.folder import LearnFolder, Round
from equishare.learning.labelling.pool import LabelPool
from equishare.learning.ledger import Ledger
from equishare.learning.settings import LearnSettings
from equishare.potential import Potential, load


@dataclass(frozen=True)
class Record:
    """What is noted of a round; eV/Å and eV an atom.

    Attributes:
        number: From 0.
        pool: Configurations that were drawn.
        asked: Frames that were asked for.
        labels: Labels there are after it.
        failed: Labels that have failed so far.
        left: Why trajectories were stopped before their end.
        uncertainty: Root mean square of the forces' uncertainty over the pool, by the potential that drew it; None in round 0.
        fresh: Errors of that potential on the frames of this round that were picked at random; empty in round 0.
        held_out: Errors of the potential of this round on all frames kept to judge by.
        seconds: Time of each step.
        spread: The forces' uncertainty of each configuration of the pool, by the potential that drew it.
    """

    number: int
    pool: int
    asked: int
    labels: int
    failed: int
    left: tuple[str, ...]
    uncertainty: float | None
    fresh: Mapping[str, float]
    held_out: Mapping[str, float]
    seconds: Mapping[str, float]
    spread: tuple[float, ...] = ()

    def save(self, path: Path) -> None:
        """Write it."""
        write_text(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read it."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**values, "left": tuple(values["left"]), "spread": tuple(values["spread"])})


@dataclass
class Campaign:
    """Learning a potential, between two steps.

    Attributes:
        settings: What was asked.
        folder: Where everything is.
        starts: Structures to start from.
        labels: Processes that label.
        ledger: Labelled and failed frames.
        method: The name of the one that labels; None for a calculator that came from Python.
        records: Of the rounds that are over.
        potential: As it is now; None before the first training.
        console: Where to say what happens.
        stopping: Whether a signal came: a step that takes long looks at it, and raises `KeyboardInterrupt`.
        clock: Counts the time used, that of earlier processes included.
    """

    settings: LearnSettings
    folder: LearnFolder
    starts: list[Atoms]
    labels: LabelPool
    ledger: Ledger
    method: str | None = None
    records: list[Record] = field(default_factory=list)
    potential: Potential | None = None
    console: Console = field(default_factory=lambda: Console(quiet=True))
    stopping: Callable[[], bool] = lambda: False
    clock: Clock = field(default_factory=Clock)

    @property
    def number(self) -> int:
        """Of the round that is under way."""
        return len(self.records)

    @property
    def round(self) -> Round:
        """Paths of the round that is under way."""
        return self.folder.round(self.number)

    @property
    def seconds(self) -> float:
        """Time used, that of earlier processes included."""
        return self.clock.seconds

    @property
    def spent(self) -> int:
        """Labels asked for so far, failed ones included."""
        return len(self.ledger) + len(self.ledger.failed)

    def rng(self, step: str) -> np.random.Generator:
        """Random numbers of a step of this round: the same, whatever happened before."""
        return np.random.default_rng([self.settings.seed, self.number, *step.encode()])

    def check_signals(self) -> None:
        """Raise `KeyboardInterrupt` if a signal came."""
        if self.stopping():
            raise KeyboardInterrupt

    def catch_up(self) -> None:
        """Take up the rounds that are over, and the potential of the last one."""
        while self.round.record.exists():
            self.records.append(Record.load(self.round.record))
        self.clock = self.clock.ahead(sum(sum(record.seconds.values()) for record in self.records))
        if self.records:
            self.potential = load(self.folder.round(self.number - 1).model)


@dataclass(frozen=True, eq=False)
class Learnt:
    """A campaign that is over.

    Attributes:
        folder: Where everything is; `equishare.potential.load` reads ``folder.model``.
        records: A record each round.
        reason: Why it ended.
        reached: Whether that is because the wanted accuracy is reached.
        errors: Of the potential on the frames kept to judge by: ``errors["forces"]`` in eV/Å, ``errors["energy_per_atom"]`` in eV.
        interrupted: Whether a signal ended it.
        dynamics: What became of dynamics with it, a sentence for each temperature.
        more: Whatever else a step of one's own wants to hand back.
    """

    folder: LearnFolder
    records: tuple[Record, ...]
    reason: str
    reached: bool
    errors: Mapping[str, float]
    interrupted: bool
    dynamics: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
