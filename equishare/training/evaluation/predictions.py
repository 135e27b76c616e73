"""Frames with their labels and a potential's predictions side by side, as extended XYZ."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from equishare.atoms.frame import Frame
from equishare.atoms.properties import PROPERTIES
from equishare.atoms.writing import write_xyz
from equishare.training.evaluation.evaluate import Evaluation, FramePrediction


def write_predictions(path: str | os.PathLike[str], frames: Sequence[Frame], evaluation: Evaluation) -> None:
    """Write frames with predictions as ``energy``, ``forces`` and so on, and labels as ``REF_energy``, ``REF_forces`` and so on.

    What else a frame's file says of it is kept: its ``config_type``, identifiers, constraints, arrays; ``source`` is the frame's file and
    place in it. Where the potential has a committee, ``energy_uncertainty`` and, for each atom, ``forces_uncertainty`` stand beside
    them. Units are those of the table of properties. Written beside its place, then renamed.

    Raises:
        OSError: if the file cannot be written.
    """
    images = [_image(frame, predicted) for frame, predicted in zip(frames, evaluation.frames, strict=True)]
    write_xyz(path, images)


def _image(frame: Frame, predicted: FramePrediction) -> Atoms:
    atoms = frame.atoms.copy()
    for key in set(frame.keys.values()) | set(PROPERTIES):
        # labels come back below, under one name; two values of one name cannot stand in a file
        for place in (atoms.info, atoms.arrays):
            if key not in ("numbers", "positions"):
                place.pop(key, None)
    atoms.info["source"] = frame.name
    results: dict[str, Any] = {}
    for name, value in predicted.predicted.items():
        row = PROPERTIES[name]
        value = np.asarray(value, dtype=np.float64)
        if row.periodic and frame.atoms.cell.rank < 3:
            continue
        if name in all_properties:
            results[name] = (
                full_3x3_to_voigt_6_stress(value)
                if name == "stress"
                else value
                if row.shape or row.per_atom
                else float(value)
            )
        else:
            _place(atoms, name, value, row.per_atom)
    atoms.calc = SinglePointCalculator(atoms, **results)
    for name, value in predicted.uncertainties.items():
        _place(atoms, f"{name}_uncertainty", np.asarray(value, dtype=np.float64), PROPERTIES[name].per_atom)
    for name, value in frame.labels.items():
        _place(atoms, f"REF_{name}", np.asarray(value, dtype=np.float64), PROPERTIES[name].per_atom)
    atoms.info |= frame.conditions
    return atoms


def _place(atoms: Atoms, name: str, value: np.ndarray, per_atom: bool) -> None:
    if per_atom:
        atoms.arrays[name] = value
    else:
        atoms.info[name] = value if value.ndim else float(value)
