"""`equishare.train`: a training run in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms
from rich.console import Console

from equishare.atoms.frame import Frame
from equishare.atoms.reading import frames_of, read_frames
from equishare.clock import Clock
from equishare.errors import EquishareError
from equishare.training.config.config_file import merge, validate
from equishare.training.config.settings import resumed, sections_of
from equishare.training.data.prepare import IN_MEMORY, Parts
from equishare.training.fit import fit
from equishare.training.report.page import write_report
from equishare.training.run import Run
from equishare.training.run_folder import RunFolder

Frames = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Sequence[Frame] | Sequence[Atoms]


def train(
    frames: Frames,
    *,
    valid: float | Frames = 0.05,
    test: float | Frames = 0.05,
    resume: str | os.PathLike[str] | None = None,
    report: bool = True,
    console: Console | None = None,
    **settings: Any,
) -> Run:
    """Train a potential on frames, and judge it on frames that it has not seen; what `equishare train` does at the prompt.

    Energies are in eV, forces in eV/Å, stress in eV/Å^3 (ASE's sign), dipoles in e·Å. Isolated atoms among the frames give the E0s.

    Args:
        frames: To train on: files (any that ASE reads, ``"my.xyz@:100"`` takes a slice), or a list of `Frame` or of `ase.Atoms` with
            labels in their calculators, ``info`` and ``arrays``.
        valid: Frames to choose the best weights by, or the fraction of `frames` for that.
        test: Frames to judge by, or the fraction; 0: none.
        resume: Folder of a run of these frames to go on with; settings, fractions among them, are then its own, but for the budget and the
            device.
        report: Check the potential and write ``report.html`` into the run folder.
        console: Where to say what happens; None: nowhere.
        settings: Anything that ``config.yaml`` of a run folder holds, by its name (``max_time="30m"``, ``preset="small"``,
            ``out="runs/mine"``, ``device="cpu"``) or section by section (``optimisation={"batch_size": 4}``).

    Returns:
        The run: its folder, errors and data. `equishare.potential.load` reads ``run.folder.model``.

    Raises:
        ConfigError: for a setting that is none (the nearest one is named), or a value out of range.
        EquishareError: if the data, the folder or the checkpoint cannot be used, or the loss is no longer a number.
        OSError: if a file cannot be written.

    >>> import tempfile
    >>> from equishare import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = train(
    ...         datasets.load("ethanol")[:23], epochs=1, preset="small", channels=4, out=f"{folder}/run", report=False
    ...     )
    ...     sorted(run.evaluations), run.folder.model.exists()
    (['test', 'train', 'valid'], True)
    """
    clock = Clock()
    parts = {"train": frames, "valid": valid, "test": test}
    sections = sections_of(settings)
    if resume is None:
        folder: RunFolder | None = None
        sources = {name: _sources(part) for name, part in parts.items()}
        config = validate(merge({"data": sources}, sections), "settings")
    else:
        config, folder = resumed(resume, sections)
    held = any(_sources(part) == IN_MEMORY for part in parts.values())
    keys = config.data.keys
    memory = None
    if held:
        own = (config.data.valid, valid), (config.data.test, test)
        memory = Parts(
            _load_frames(frames, keys),
            *(part if isinstance(part, float) else _load(given, keys) for part, given in own),
        )
    run = fit(config, given=memory, resume=folder, console=console, clock=clock, report=report)
    if report:
        write_report(run)
    return run


def _sources(part: float | Frames) -> float | str | list[str]:
    """What a configuration says of a part."""
    if isinstance(part, (int, float)):
        return float(part)
    if isinstance(part, (str, os.PathLike)):
        return [os.fspath(part)]
    if part and all(isinstance(item, (str, os.PathLike)) for item in part):
        return [os.fspath(item) for item in part]  # type: ignore[arg-type]
    return IN_MEMORY


def _load(part: float | Frames, keys: Mapping[str, str]) -> float | list[Frame]:
    """A fraction as it is; the frames of files or of memory."""
    return float(part) if isinstance(part, (int, float)) else _load_frames(part, keys)


def _load_frames(part: Frames, keys: Mapping[str, str]) -> list[Frame]:
    sources = _sources(part)
    if isinstance(sources, list):
        return read_frames(sources, keys)
    items: list[Any] = list(part)  # type: ignore[arg-type]
    wrong = [type(item).__name__ for item in items if not isinstance(item, (Frame, Atoms))]
    if wrong or not items:
        raise EquishareError(
            f"expected files, or a list of Frame or ase.Atoms, got {wrong[0] if wrong else 'no frames'}"
        )
    found = iter(frames_of([item for item in items if isinstance(item, Atoms)], keys))
    return [item if isinstance(item, Frame) else next(found) for item in items]
