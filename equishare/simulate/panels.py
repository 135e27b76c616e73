"""Figures of axes one below the other, and how they are written."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from equishare.files import replacing


def panels(count: int) -> tuple[Figure, np.ndarray]:
    """A figure of so many axes, one below the other, along one abscissa."""
    figure = Figure(figsize=(7, 1.5 + 2 * count), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]


def legend_above(axes: Axes) -> None:
    """Name what is drawn, above the axes, where it covers none of it."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, borderaxespad=0.1)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=150)
