"""Figures that follow the page: text in the page's font, ink in its colours, light or dark."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equishare.files import replacing

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by the colour-blind; each has a lighter twin on dark pages (see report.html.jinja)
BLUE, VERMILLION, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a8f98"
INK, FAINT = "#24292f", "#d9dce1"

_POINTS = "points-"
_VARIABLES = {
    INK: "--ink", FAINT: "--rule", BLUE: "--blue", VERMILLION: "--vermillion", GREEN: "--green", PURPLE: "--purple",
    GREY: "--grey",
}  # fmt: skip

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "equishare",
}


@contextmanager
def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (4.6, 3.3), heights: Sequence[float] | None = None
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure in the report's style, laid out at the end, and its axes in reading order; matplotlib's global state is left alone."""
    import matplotlib
    from matplotlib.figure import Figure as NewFigure

    with matplotlib.rc_context(_STYLE):
        figure = NewFigure(figsize=size, layout="constrained")
        yield figure, list(figure.subplots(rows, columns, squeeze=False, height_ratios=heights).ravel())
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # else every file that is saved would lay it out again, and draw it twice


def name_points(artist: Artist, names: Sequence[str]) -> None:
    """Say what each marker of a line stands for: `to_svg` gives it that name, which browsers show beside the mouse."""
    artist.set_gid(f"{_POINTS}{json.dumps(list(names)).encode().hex()}")


def _with_names(text: str) -> str:
    """Markers of lines that were named get a ``<title>`` each."""

    def named(group: re.Match[str]) -> str:
        names = iter(json.loads(bytes.fromhex(group[1])))
        body, count = re.subn(
            r"(<use [^>]*?)\s*/>", lambda m: f"{m[1]}><title>{escape(next(names, ''))}</title></use>", group[2]
        )
        return f"<g>{body}</g>" if count else group[0]

    return re.sub(rf'<g id="{_POINTS}([0-9a-f]*)">(.*?<g .*?</g>\s*)</g>', named, text, flags=re.DOTALL)


def to_svg(figure: Figure, title: str) -> str:
    """The figure as an ``<svg>`` element without fixed size, for pages whose CSS has the variables of `_VARIABLES`."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(stream, format="svg", transparent=True, dpi=160, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = re.sub(colour, f"var({variable})", text, flags=re.IGNORECASE)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--font)", text)
    text = _with_names(text)
    label = title.replace('"', "'")
    return re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{label}" xmlns:xlink="http://www.w3.org/1999/xlink">',
        text,
        count=1,
    )


def to_png(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG on white."""
    import matplotlib

    with matplotlib.rc_context(_STYLE), replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=200)
