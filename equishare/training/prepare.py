"""From the data section of a configuration to frames that are divided, checked and have reference energies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equishare.atoms.e0 import ReferenceEnergies, reference_energies
from equishare.atoms.frame import Frame, split_isolated
from equishare.atoms.inspection import Inspection, inspect
from equishare.atoms.reading import read_frames
from equishare.atoms.splits import Split, split_frames
from equishare.training.config import TrainConfig


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Frames to fit, choose and judge by, with what is known of them."""

    split: Split
    reference: ReferenceEnergies
    inspection: Inspection

    def has(self, label: str) -> bool:
        """Whether any training frame has this label."""
        return any(frame.label(label) is not None for frame in self.split.train)


def prepare(config: TrainConfig) -> PreparedData:
    """Read, divide and inspect the frames of a configuration.

    Raises:
        EquishareError: where frames cannot be read, divided or trained on; the message says what to do.
    """
    data, cutoff = config.data, config.model.cutoff
    names = {"energy": data.energy_key, "forces": data.forces_key, "stress": data.stress_key, "dipole": data.dipole_key}
    keys = {name: key for name, key in names.items() if key is not None}
    frames = read_frames(data.train, keys)
    valid = data.valid if isinstance(data.valid, float) else read_frames(data.valid, keys)
    test = data.test if isinstance(data.test, float) else read_frames(data.test, keys)
    split = split_frames(frames, valid, test, generator=np.random.default_rng(config.run.seed), cutoff=cutoff)
    given = [part for part in (valid, test) if not isinstance(part, float)]
    isolated = [frame for part in (frames, *given) for frame in split_isolated(part, cutoff)[0]]
    inspection = inspect(
        (*split_isolated(frames, cutoff)[0], *split.train), split.valid, split.test or None, cutoff=cutoff
    )
    inspection.raise_if_errors()
    reference = reference_energies(split.train, isolated, data.reference_energies)
    return PreparedData(split, reference, inspection)


def data_name(config: TrainConfig) -> str:
    """A short name of the training data, for the run folder."""
    name = os.path.basename(config.data.train[0]).partition("@")[0]
    return os.path.splitext(name)[0] or "run"


def fingerprint(frames: Sequence[Frame]) -> str:
    """A hash of geometries and labels: a checkpoint continues on the same frames only."""
    digest = hashlib.sha256()
    for frame in frames:
        for array in (frame.atoms.numbers, frame.atoms.positions, frame.atoms.cell.array, frame.energy, frame.forces):
            digest.update(np.ascontiguousarray(np.nan if array is None else array).tobytes())
    return digest.hexdigest()
