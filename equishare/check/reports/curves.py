"""Curves of a report, and their plots as SVG text."""

import io
from dataclasses import dataclass, field

from jaxtyping import Float
from numpy import ndarray


@dataclass
class Curve:
    """Numbers along a path, for a plot.

    Attributes:
        title: what is shown.
        x_label: axis, with unit.
        x: abscissae.
        series: label (with unit) to values.
        marks: abscissae to mark, such as jumps.
    """

    title: str
    x_label: str
    x: Float[ndarray, " points"]
    series: dict[str, Float[ndarray, " points"]]
    marks: list[float] = field(default_factory=list)


def figure(curve: Curve) -> str:
    """Draw a curve, one panel for each series, with marks as dashed lines; returns an `<svg>` element.

    matplotlib is imported here, since only reports in HTML need it, and its global state is left alone.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 1.2 + 1.8 * len(curve.series)), layout="constrained")
    FigureCanvasSVG(drawing)
    panels = drawing.subplots(len(curve.series), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (label, values) in zip(panels, curve.series.items(), strict=True):
        panel.plot(curve.x, values, linewidth=1.2)
        panel.set_ylabel(label)
        for mark in curve.marks:
            panel.axvline(mark, color="tab:red", linestyle="--", linewidth=1)
    panels[0].set_title(curve.title)
    panels[-1].set_xlabel(curve.x_label)
    text = io.StringIO()
    # names inside the picture come from its contents, so that the same report gives the same file
    with rc_context({"svg.hashsalt": curve.title}):
        drawing.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]
