"""From the data section of a configuration to frames that are divided, checked and have reference energies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equishare import datasets
from equishare.atoms.frame import Frame, LabelKeys, read_frames, split_isolated
from equishare.atoms.inspection import Inspection, inspect
from equishare.atoms.reference_energies import ReferenceEnergies, reference_energies
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
        return any(getattr(frame, label) is not None for frame in self.split.train)


def prepare(config: TrainConfig) -> PreparedData:
    """Read, divide and inspect the frames of a configuration.

    Raises:
        EquishareError: where frames cannot be read, divided or trained on; the message says what to do.
    """
    data, cutoff = config.data, config.model.cutoff
    keys = LabelKeys(data.energy_key, data.forces_key, data.stress_key, data.dipole_key)
    frames = read(data.train, keys)
    valid = data.valid if isinstance(data.valid, float) else read(data.valid, keys)
    test = data.test if isinstance(data.test, float) else read(data.test, keys)
    split = split_frames(frames, valid, test, generator=np.random.default_rng(config.run.seed))
    given = [part for part in (valid, test) if not isinstance(part, float)]
    isolated = [frame for part in (frames, *given) for frame in split_isolated(part)[0]]
    inspection = inspect((*split_isolated(frames)[0], *split.train), split.valid, split.test or None, cutoff=cutoff)
    inspection.raise_if_errors()
    reference = reference_energies(split.train, isolated, data.reference_energies)
    return PreparedData(split, reference, inspection)


def read(sources: Sequence[str], keys: LabelKeys) -> list[Frame]:
    """Frames of files and bundled data sets."""
    return read_frames([resolve(source) for source in sources], keys)


def resolve(source: str) -> str:
    """The file of a source of frames: that of a bundled data set, where no file has the name.

    >>> resolve("ethanol@:10").endswith("datasets/ethanol.xyz@:10")
    True
    """
    name, at, part = _parts(source)
    return f"{datasets.path(name)}{at}{part}" if _is_bundled(name) else source


def absolute(source: str) -> str:
    """A source of frames that is found from every folder; the names of bundled data sets stay.

    >>> absolute("ethanol@:10")
    'ethanol@:10'
    """
    name, at, part = _parts(source)
    return source if _is_bundled(name) else f"{os.path.abspath(name)}{at}{part}"


def _parts(source: str) -> tuple[str, str, str]:
    """Name, '@' and slice."""
    if "@" not in os.path.basename(source) or os.path.exists(source):
        return source, "", ""
    return source.rpartition("@")


def _is_bundled(name: str) -> bool:
    return not os.path.exists(name) and name in datasets.names()


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
