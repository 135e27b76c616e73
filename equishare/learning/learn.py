"""`equishare.learn`: from a structure and a method that labels to a potential."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ase import Atoms
from rich.console import Console

from equishare.atoms.labels import read_conditions
from equishare.atoms.writing import write_xyz
from equishare.continuing import check_new_settings
from equishare.files import write_text
from equishare.learning.campaign import Campaign, Learnt
from equishare.learning.dynamics import survive
from equishare.learning.final import final_training
from equishare.learning.folder import LearnFolder
from equishare.learning.labelling.names import labeller
from equishare.learning.labelling.pool import LabellerError, LabelPool
from equishare.learning.ledger import Ledger, read_all
from equishare.learning.report.page import write_report
from equishare.learning.report.progress import Table
from equishare.learning.rounds import one_round
from equishare.learning.settings import LearnError, LearnSettings
from equishare.learning.start import Start, read_start
from equishare.learning.steps import Steps
from equishare.learning.training import errors
from equishare.potential import load
from equishare.training.interruption import Interruption

INTERRUPTED = "interrupted"


def learn(
    start: Start | None = None,
    calculator: str | Callable[[], Any] | Any = None,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    steps: Steps | None = None,
    report: bool = True,
    console: Console | None = None,
    **settings: Any,
) -> Learnt:
    """From one structure and a method that labels to a potential, its errors, and dynamics with it.

    Round after round: configurations are drawn by dynamics, those that the potential is least sure of are labelled, and it is trained on all
    labels there are; until errors on fresh configurations are within the wanted accuracy, or the budget is used.

    Args:
        start: Structures, a file of them, or a SMILES.
        calculator: Labels: a name (`equishare.learning.labeller`), a function that makes an ASE calculator, or a calculator. It runs in
            other processes, so a function has to be one of a module, and a calculator has to be picklable; a script that calls this needs
            ``if __name__ == "__main__":``.
        out: Folder of the campaign; None: ``learnt/`` and the formula.
        resume: Go on with the campaign in the folder `out`, with the settings that it has; those for budget, accuracy and workers may be new.
        steps: Functions in place of those that draw, choose, train and stop.
        report: Run dynamics with the potential, check it, and write ``report.html``.
        console: Where to say what happens; None: nowhere.
        settings: Those of `LearnSettings`, by their names.

    Returns:
        What there is: the folder, a record each round, the errors. `equishare.potential.load` reads ``learnt.folder.model``.

    Raises:
        LearnError: for a setting that is none, a folder that holds another campaign, or where too few labels could be made.
        LabellerError: if the method that labels cannot be used.
        OSError: if a file cannot be written.
    """
    console = console or Console(quiet=True)
    steps = steps or Steps()
    asked = _resumed(out, calculator, settings) if resume else _begun(start, calculator, out, settings)
    folder, labels = asked.folder, asked.pool()
    if not resume:
        labels.start()
    folder.path.mkdir(parents=True, exist_ok=True)
    # what is in the folder is touched by one process only: another one may be at work there
    with labels, folder.held(), Interruption(console) as interruption:
        asked.write()
        campaign = Campaign(
            settings=asked.settings,
            folder=folder,
            starts=read_all(folder.start),
            labels=labels,
            ledger=Ledger(folder),
            method=asked.label,
            console=console,
        )
        campaign.stopping = lambda: interruption.requested
        campaign.catch_up()
        table = Table(console, campaign)
        reason: str | None = None
        try:
            while reason is None:
                if campaign.records:
                    reason = steps.stop(campaign)
                if reason is None:
                    one_round(campaign, steps)
                    table.add(campaign.records[-1])
            final_training(campaign)
        except KeyboardInterrupt:
            reason = INTERRUPTED
        learnt = _learnt(campaign, reason or "")
        if report and campaign.records:
            console.print("Running dynamics, checking the potential and writing the report ...")
            learnt = survive(campaign, learnt)
            write_report(campaign, learnt)
    return learnt


def _learnt(campaign: Campaign, reason: str) -> Learnt:
    judged = campaign.ledger.frames("valid")
    return Learnt(
        folder=campaign.folder,
        records=tuple(campaign.records),
        reason=reason,
        reached=reason.startswith("reached"),
        errors=errors(load(campaign.folder.model), judged) if campaign.folder.model.exists() else {},
        interrupted=reason == INTERRUPTED,  # in a training, which hears the signal itself, or between two steps
    )


@dataclass(frozen=True)
class _Asked:
    """What a campaign begins or goes on with.

    Attributes:
        settings: How to learn.
        folder: Of the campaign.
        starts: Structures to start from.
        make: Makes the calculator.
        label: The name of the method; None for one that came from Python.
    """

    settings: LearnSettings
    folder: LearnFolder
    starts: list[Atoms]
    make: Callable[[], Any]
    label: str | None

    def pool(self) -> LabelPool:
        """The processes that label."""
        return LabelPool(self.make, self.settings.workers, self.settings.label_limit)

    def write(self) -> None:
        """Write it down, so that the campaign can go on."""
        if not self.folder.start.exists():
            write_xyz(self.folder.start, self.starts)
        content = {"label": self.label, "settings": self.settings.to_dict()}
        write_text(self.folder.settings, json.dumps(content, indent=1))


def _begun(start: Start | None, calculator: Any, out: Any, given: dict[str, Any]) -> _Asked:
    """A campaign in a new folder."""
    if start is None or calculator is None:
        raise LearnError("expected a structure to start from and a method that labels")
    settings = _settings(given)
    starts = read_start(start)
    make = _make(calculator, starts)
    folder = LearnFolder(Path(out) if out is not None else _next_free(starts[0].get_chemical_formula()))
    if folder.settings.exists():
        raise LearnError(
            f"{folder.path} holds a campaign already; go on with it by resume (--resume), or choose another folder"
        )
    return _Asked(settings, folder, starts, make, calculator if isinstance(calculator, str) else None)


FREE = ("accuracy", "max_labels", "max_time", "label_limit", "workers")
"""Settings that may be new when a campaign goes on."""


def _resumed(out: Any, calculator: Any, given: dict[str, Any]) -> _Asked:
    """A campaign that goes on."""
    folder = LearnFolder(Path(out or ""))
    if out is None or not folder.settings.exists():
        raise LearnError(f"there is no campaign to go on with in {folder.path}; name its folder")
    stored = json.loads(folder.settings.read_text(encoding="utf-8"))
    check_new_settings("a campaign", given, FREE, LearnError)
    settings = _settings({**stored["settings"], **given})
    starts = read_all(folder.start)
    method = calculator if calculator is not None else stored["label"]
    if method is None:
        raise LearnError("the method that labels came from Python: give it again to go on")
    return _Asked(settings, folder, starts, _make(method, starts), stored["label"])


def _settings(given: dict[str, Any]) -> LearnSettings:
    known = [f.name for f in fields(LearnSettings)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise LearnError(f"unknown setting {unknown[0]!r}; known are {', '.join(known)}")
    return LearnSettings(**given)


def _check_alike(starts: list[Atoms]) -> None:
    said = read_conditions(starts, [f"structure {k}" for k in range(len(starts))])
    states = sorted({(each.get("charge", 0), each.get("spin", 1)) for each in said})
    if len(states) > 1:
        raise LearnError(
            "a method that is named computes all structures with one charge and one spin multiplicity, and those to start from have "
            f"{', '.join(map(str, states))}; learn each on its own, or give a function whose calculator reads atoms.info"
        )


def _make(calculator: Any, starts: list[Atoms]) -> Callable[[], Any]:
    """What makes the calculator in another process."""
    if isinstance(calculator, str):
        _check_alike(starts)
        return labeller(calculator, starts[0])
    make = (
        calculator if callable(calculator) and not hasattr(calculator, "get_potential_energy") else _Given(calculator)
    )
    try:
        pickle.dumps(make)
    except Exception as error:
        raise LabellerError(
            f"the calculator is made in other processes, and this one cannot go there ({error}); give a function of a module that makes it"
        ) from error
    return make


class _Given:
    """Makes a calculator that is there already."""

    def __init__(self, calculator: Any) -> None:
        self.calculator = calculator

    def __call__(self) -> Any:
        return self.calculator


def _next_free(formula: str) -> Path:
    number = 1
    while (path := Path("learnt") / f"{formula}-{number}").exists():
        number += 1
    return path
