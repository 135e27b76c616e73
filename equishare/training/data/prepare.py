"""From the data section of a configuration to frames that are divided, checked and have reference energies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.e0 import ReferenceEnergies
from equishare.atoms.frame import Frame, species_counts, split_isolated
from equishare.atoms.inspection import Inspection, inspect
from equishare.atoms.splits import Split, split_frames
from equishare.atoms.store import open_frames
from equishare.atoms.store.opening import Tell
from equishare.errors import EquishareError
from equishare.training.config import TrainConfig
from equishare.training.data.base_values import without_base
from equishare.training.data.levels import Levels, methods_of, references

IN_MEMORY = "(frames given in Python)"
"""What a configuration says of frames that no file holds."""
REPLAYED = "replay"
"""The ``config_type`` of frames that are trained on along with the new ones, so that they are not forgotten."""


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Frames to fit, choose and judge by, with what is known of them.

    Attributes:
        reference: E0s of the first method.
        methods: That labelled the frames, where the model is told.
        levels: Of the other methods above the first.
        replayed: Number of the last training frames: structures that the weights to start from know, with what those say of them.
        kept: More such structures, held out: they show what was forgotten.
    """

    split: Split
    reference: ReferenceEnergies
    inspection: Inspection
    methods: tuple[str, ...] = ()
    levels: Levels = field(default_factory=dict)
    replayed: int = 0
    kept: tuple[Frame, ...] = ()

    @property
    def elements(self) -> list[str]:
        """Those of the training frames; isolated atoms may be of more."""
        return species_counts(self.split.train)[0]

    @property
    def new(self) -> Sequence[Frame]:
        """The training frames without those that are replayed."""
        return self.split.train[: -self.replayed] if self.replayed else self.split.train

    def names(self, part: str) -> list[str]:
        """Names of the frames of ``train``, ``valid`` or ``test``."""
        return [frame.name for frame in getattr(self.split, part)]

    def has(self, label: str) -> bool:
        """Whether any training frame has this label."""
        return any(frame.label(label) is not None for frame in self.split.train)


@dataclass(frozen=True, eq=False)
class Parts:
    """Frames that are in memory: to train on, and to validate and test by (or the fractions of the first for that)."""

    train: Sequence[Frame]
    valid: Sequence[Frame] | float
    test: Sequence[Frame] | float


def prepare(config: TrainConfig, given: Parts | None = None, tell: Tell | None = None) -> PreparedData:
    """Read, divide and inspect the frames of a configuration, or those given in place of its files.

    Frames that are too many for the memory stay on disk; `tell` is told how far their conversion is.

    Raises:
        EquishareError: where frames cannot be read, divided or trained on; the message says what to do.
    """
    parts, cutoff = _weighed(given or _read_parts(config, tell), config), config.model.cutoff
    generator = np.random.default_rng(config.run.seed)
    split = split_frames(parts.train, parts.valid, parts.test, generator=generator, cutoff=cutoff)
    held_out = [part for part in (parts.valid, parts.test) if not isinstance(part, float)]
    isolated = [frame for part in (parts.train, *held_out) for frame in split_isolated(part, cutoff)[0]]
    known = (*split_isolated(parts.train, cutoff)[0], *split.train)
    used = config.model.conditions or ()
    inspection = inspect(known, split.valid, split.test or None, cutoff=cutoff, used=used)
    inspection.raise_if_errors()
    inspection = replace(inspection, findings=(*inspection.findings, *_untold_charge(config, split.train)))
    methods = methods_of(config, split.train)
    bare, atoms = (without_base(part, config.model.architecture) for part in (split.train, isolated))
    reference, levels = references(bare, atoms, config.data.reference_energies, methods)
    return PreparedData(split, reference, inspection, methods, levels)


def _untold_charge(config: TrainConfig, frames: Sequence[Frame]) -> list[DataFinding]:
    """A warning where the model predicts charges of frames whose total charge it is not told."""
    model = config.model
    reads = model.long_range is not None or not {"charges", "dipole"}.isdisjoint(model.heads)
    charged = sum(frame.conditions.get("charge", 0) != 0 for frame in frames)
    if not reads or not charged or "charge" in model.conditions:
        return []
    message = f"{charged} training frames have a charge, and the potential is not told: the charges that it predicts sum to zero"
    return [DataFinding("warning", "untold-charge", message, "--condition charge lets it know")]


def _read_parts(config: TrainConfig, tell: Tell | None) -> Parts:
    data = config.data
    if data.train == [IN_MEMORY]:
        raise EquishareError(
            "the frames of this run came from Python, and no file holds them: continue it there with "
            "equishare.train(frames, resume=...)"
        )

    def read(part: list[str]) -> list[Frame]:
        return open_frames(part, data.keys, copies=config.run.devices, tell=tell)

    valid, test = (part if isinstance(part, float) else read(part) for part in (data.valid, data.test))
    return Parts(read(data.train), valid, test)


def _weighed(parts: Parts, config: TrainConfig) -> Parts:
    """Frames with the weights of their kinds."""
    weights = config.data.frame_weights
    if not weights:
        return parts
    given = [part for part in (parts.train, parts.valid, parts.test) if not isinstance(part, float)]
    kinds = {frame.config_type for part in given for frame in part}
    kinds |= {REPLAYED} if config.pretraining.replay else set()
    unknown = [name for name in weights if name not in kinds]
    if unknown:
        known = ", ".join(sorted(kinds - {""})) or "none"
        raise EquishareError(
            f"no frame has the config_type {', '.join(unknown)}, for which a weight is given; the frames have: {known}"
        )

    def weigh(frames: Sequence[Frame]) -> list[Frame]:
        return [
            frame.weighing(frame.weight * weights[frame.config_type]) if frame.config_type in weights else frame
            for frame in frames
        ]

    valid, test = (part if isinstance(part, float) else weigh(part) for part in (parts.valid, parts.test))
    return Parts(weigh(parts.train), valid, test)


def data_name(config: TrainConfig) -> str:
    """A short name of the training data, for the run folder."""
    if config.data.train == [IN_MEMORY]:
        return "frames"
    name = os.path.basename(config.data.train[0]).partition("@")[0]
    return os.path.splitext(name)[0] or "run"


def fingerprint(frames: Sequence[Frame], replayed: Sequence[Frame] = ()) -> str:
    """A hash of geometries, labels, conditions and weights: a checkpoint continues on the same frames only, in memory or on disk.

    Labels of those that are replayed are left out: they are predictions, whose last digits depend on the machine.
    """
    digest = hashlib.sha256()
    for part, labelled in ((frames, True), (replayed, False)):
        for frame in part:
            arrays = [frame.numbers.astype(np.int64), frame.positions, frame.cell, frame.weight]
            labels = sorted(frame.labels) if labelled else []
            for array in (*arrays, *(frame.labels[name] for name in labels)):
                digest.update(np.ascontiguousarray(array).tobytes())
            digest.update(repr((labels, sorted(frame.conditions.items()))).encode())
    return digest.hexdigest()
