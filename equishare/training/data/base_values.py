"""What the cheap method that a potential adds to says of frames."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from ase import Atoms

from equishare.atoms.frame import Frame
from equishare.potential import ModelConfig
from equishare.potential.base import BaseError, BaseValues, periodic_cell, xtb
from equishare.potential.given import conditions_of

_KEPT: WeakKeyDictionary[Frame, BaseValues] = WeakKeyDictionary()
"""A frame is asked for its E0, its scale and its graph."""


def base_values(frame: Frame, config: ModelConfig) -> BaseValues:
    """Values of a frame, with the charge and the multiplicity that the model takes; kept as long as the frame.

    Raises:
        BaseError: if the cheap method fails; the message names the frame.
    """
    if frame not in _KEPT:
        names = tuple(name for name in config.conditions if name in ("charge", "spin"))
        taken = config.model_copy(update={"conditions": names})
        states = conditions_of(Atoms(info=dict(frame.conditions)), taken)
        atoms = frame.atoms
        try:
            cell = periodic_cell(atoms.cell.array, atoms.pbc)
            _KEPT[frame] = xtb(atoms.numbers, atoms.positions, cell, **states)
        except BaseError as error:
            raise BaseError(f"{frame.name}: {error}") from error
    return _KEPT[frame]


def without_base(frames: Sequence[Frame], config: ModelConfig) -> Sequence[Frame]:
    """Frames whose energies, forces and stress are what they are above the cheap method's; as they are where there is none.

    Raises:
        BaseError: if the cheap method fails, or is not installed.

    >>> frame = Frame(Atoms("H"), energy=-13.6)
    >>> without_base([frame], ModelConfig())[0] is frame
    True
    """
    if config.base is None:
        return frames
    return [_without(frame, base_values(frame, config)) for frame in frames]


def _without(frame: Frame, base: BaseValues) -> Frame:
    labels = dict(frame.labels)
    parts = {"energy": base.energies.sum(), "forces": base.forces}
    if "stress" in labels:
        parts["stress"] = base.virial / frame.atoms.get_volume()
    for name in parts.keys() & labels.keys():
        labels[name] = np.asarray(labels[name]) - parts[name]
    return Frame(
        frame.atoms, labels, frame.conditions, weight=frame.weight, file=frame.file, index=frame.index, keys=frame.keys
    )
