"""Frames with their labels and a potential's predictions side by side, as extended XYZ."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from equishare.atoms.frame import Frame
from equishare.files import replacing
from equishare.training.evaluation.evaluate import Evaluation


def write_predictions(path: str | os.PathLike[str], frames: Sequence[Frame], evaluation: Evaluation) -> None:
    """Write frames with predictions as ``energy``, ``forces``, ``stress``, ``dipole``, and labels as ``REF_energy`` and so on.

    Where the potential has a committee, ``energy_uncertainty`` and, for each atom, ``forces_uncertainty`` stand beside them.
    Units: eV, eV/Å, eV/Å^3 (ASE's sign), e·Å. Written beside its place, then renamed.

    Raises:
        OSError: if the file cannot be written.
    """
    images = []
    for frame, predicted in zip(frames, evaluation.frames, strict=True):
        atoms = Atoms(frame.atoms.symbols, positions=frame.atoms.positions, cell=frame.atoms.cell, pbc=frame.atoms.pbc)
        results = {"energy": predicted.energy, "forces": np.asarray(predicted.forces, dtype=np.float64)}
        if predicted.stress is not None and frame.atoms.cell.rank == 3:
            results["stress"] = np.asarray(predicted.stress, dtype=np.float64)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        if predicted.dipole is not None:
            results["dipole"] = np.asarray(predicted.dipole, dtype=np.float64)
        atoms.calc = SinglePointCalculator(atoms, **results)
        if predicted.energy_uncertainty is not None:
            atoms.info["energy_uncertainty"] = predicted.energy_uncertainty
        if predicted.forces_uncertainty is not None:
            atoms.arrays["forces_uncertainty"] = np.asarray(predicted.forces_uncertainty, dtype=np.float64)
        for name in ("energy", "stress", "dipole"):
            label = frame.label(name)
            if label is not None:
                atoms.info[f"REF_{name}"] = label
        if frame.forces is not None:
            atoms.arrays["REF_forces"] = frame.forces
        images.append(atoms)
    with replacing(path) as beside:
        write(beside, images, format="extxyz")
