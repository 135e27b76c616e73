"""Figures of axes one below the other, and how they are written."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from equishare.files import replacing


def panels(count: int) -> tuple[Figure, np.ndarray]:
    """A figure of so many axes, one below the other, along one abscissa."""
    figure = Figure(figsize=(7, 1.5 + 2 * count), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=150)
