"""Frames that can be turned: what the page's viewer draws of each."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from ase import Atoms

from equishare.training.evaluation.evaluate import FramePrediction

LONGEST = 1.5
"""Length in Å of the arrow at the largest error of a frame."""
_MOST_ATOMS = 2000


def scene(frame: FramePrediction, atoms: Atoms) -> dict[str, Any] | None:
    """A frame as the viewer takes it: XYZ text, arrows for the errors of its forces, edges of its cell; None of a frame too large to draw.

    An arrow is the predicted minus the labelled force of an atom; the longest of a frame has 1.5 Å.

    >>> frame = FramePrediction("a.xyz@0", np.array([1]), predicted={}, labels={})
    >>> scene(frame, Atoms("H"))["xyz"].splitlines()
    ['1', '', 'H 0.000 0.000 0.000']
    """
    if len(atoms) > _MOST_ATOMS:
        return None
    places = atoms.positions - atoms.positions.mean(axis=0)
    lines = [f"{s} {x:.3f} {y:.3f} {z:.3f}" for s, (x, y, z) in zip(atoms.symbols, places, strict=True)]
    return {
        "name": frame.name,
        "xyz": "\n".join([str(len(atoms)), "", *lines]),
        "arrows": _arrows(frame, places),
        "edges": _edges(atoms),
    }


def _arrows(frame: FramePrediction, places: np.ndarray) -> list[list[float]]:
    """Start and end of each arrow, six numbers; none where the error is a tenth of the largest or less."""
    if not frame.has("forces"):
        return []
    error = np.nan_to_num(np.asarray(frame.predicted["forces"], float) - np.asarray(frame.labels["forces"], float))
    size = np.linalg.norm(error, axis=1)
    if not 0 < size.max() < np.inf:
        return []
    shown = size > 0.1 * size.max()
    ends = places + LONGEST * error / size.max()
    return np.round(np.concatenate([places, ends], axis=1)[shown], 3).tolist()


def _edges(atoms: Atoms) -> list[list[float]]:
    """The twelve edges of a periodic cell, six numbers each."""
    if not atoms.pbc.any():
        return []
    cell = np.asarray(atoms.cell)
    corners = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    pairs = [(a, b) for a in corners for b in corners if (b - a).sum() == 1 and (b >= a).all()]
    origin = -atoms.positions.mean(axis=0)
    return [np.round([*(a @ cell + origin), *(b @ cell + origin)], 3).tolist() for a, b in pairs]


def scenes(frames: Sequence[tuple[FramePrediction, Atoms]]) -> list[dict[str, Any]]:
    """Scenes of those frames that can be drawn."""
    return [found for frame, atoms in frames if (found := scene(frame, atoms)) is not None]


def library() -> str:
    """3Dmol.js (Rego and Koes 2015), gzipped, in base64: the browser unpacks it when a frame is to be turned."""
    packed = files("equishare.training.report").joinpath("templates", "3Dmol-min.js.gz").read_bytes()
    return base64.b64encode(packed).decode()
