"""The pictures of a training: learning curves, parity, errors by element and by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from equishare.atoms.properties import PROPERTIES, Property
from equishare.training.evaluation.calibration import Calibration
from equishare.training.evaluation.evaluate import Evaluation
from equishare.training.report.figures import BLUE, FAINT, GREEN, GREY, INK, VERMILLION, name_points, new_figure
from equishare.training.run_folder import kept_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_MANY = 1500
_NAMED = 30
"""Points with the largest errors that can be told apart in a cloud of many."""


def learning_curve(rows: Sequence[Mapping[str, Any]], quantity: str, title: str, factor: float = 1.0) -> Figure:
    """A quantity of the validations against the training step, those of the weights that are kept marked; with ``valid_loss``, the training loss too."""
    steps = np.array([row["step"] for row in rows], dtype=float)
    kept = kept_row(rows)
    values = factor * np.array([row[quantity] for row in rows], dtype=float)
    marker = "o" if len(rows) < 3 else None
    with new_figure(size=(3.5, 3.0)) as (figure, (axis,)):
        if quantity == "valid_loss":
            train = np.array([np.nan if row["train_loss"] is None else row["train_loss"] for row in rows], dtype=float)
            axis.plot(steps, train, color=GREY, linewidth=1.1, label="training", marker=marker)
        axis.plot(steps, values, color=BLUE, label="validation", marker=marker)
        axis.plot(kept["step"], factor * kept[quantity], "o", color=VERMILLION, markersize=5.5, label="kept")
        axis.set_yscale("log")
        _plain_log(axis.yaxis)
        axis.set_title(title)
        axis.set_xlabel("training step")
        if quantity == "valid_loss":
            axis.legend(loc="upper right", fontsize=8.5)
        return figure


def energy_parity(evaluation: Evaluation) -> Figure:
    """Predicted against labelled energy an atom (relative to the mean label), and the error below."""
    frames = [frame for frame in evaluation.frames if frame.has("energy")]
    sizes = np.array([len(frame.numbers) for frame in frames])
    label = np.array([float(frame.labels["energy"]) for frame in frames]) / sizes
    error = np.array([frame.energy_error for frame in frames]) / sizes
    centre = label.mean()
    names = [frame.name for frame in frames]
    return _parity(label - centre, error, names, "Energy relative to the mean, eV/atom", "meV/atom", "Energy")


def parity(evaluation: Evaluation, row: Property) -> Figure:
    """Predicted against labelled components of a property, and the error below."""
    frames = [f for f in evaluation.frames if f.has(row.name)]
    pairs = [(f.labels[row.name], f.predicted[row.name]) for f in frames]
    names = np.repeat([f.name for f in frames], [np.size(pair[0]) for pair in pairs])
    label, predicted = (np.concatenate([np.ravel(pair[k]) for pair in pairs]).astype(float) for k in (0, 1))
    known = ~np.isnan(label)
    x_label = f"Labelled {row.name}{' component' if row.shape else ''}, {row.unit}"
    factor_unit = row.shown or (row.unit, 1.0)
    return _parity(
        label[known],
        (predicted - label)[known],
        names[known].tolist(),
        x_label=x_label,
        unit=factor_unit[0],
        title=row.name.capitalize(),
        factor=factor_unit[1],
    )


def _parity(
    label: np.ndarray,
    error: np.ndarray,
    names: Sequence[str],
    x_label: str,
    unit: str,
    title: str,
    factor: float = 1000.0,
) -> Figure:
    with new_figure(2, 1, size=(4.6, 4.6), heights=(2.4, 1)) as (figure, (top, bottom)):
        low, high = float(label.min()), float(label.max())
        margin = 0.04 * (high - low) or 0.01
        top.plot([low - margin, high + margin], [low - margin, high + margin], color=GREY, linewidth=0.8, zorder=1)
        bottom.axhline(0.0, color=GREY, linewidth=0.8, zorder=1)
        for axis, values in ((top, label + error), (bottom, factor * error)):
            _cloud(axis, label, values, names, largest=np.argsort(-np.abs(error), kind="stable")[:_NAMED])
            axis.set_xlim(low - margin, high + margin)
        lowest, highest = min(low, float((label + error).min())), max(high, float((label + error).max()))
        top.set_ylim(lowest - margin, highest + margin)
        top.tick_params(labelbottom=False)
        top.set_ylabel("predicted")
        top.set_title(title)
        bottom.set_ylabel(f"error\n{unit}")
        bottom.set_xlabel(x_label)
        bottom.locator_params(axis="x", nbins=5)
        rmse, mae = np.sqrt(np.mean(error**2)), np.mean(np.abs(error))
        text = f"MAE {factor * mae:.3g}, RMSE {factor * rmse:.3g} {unit}"
        top.set_title(text, loc="right", fontsize=8.5, fontweight="normal", color=INK)
        return figure


def _cloud(axis: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str], largest: np.ndarray) -> None:
    """Points that have the names of their frames; where they are many, the densest last and darkest, and only the `largest` named."""
    if len(x) <= _MANY:
        size = 2.6 if len(x) > 300 else 4.5
        (points,) = axis.plot(x, y, "o", color=BLUE, markersize=size, alpha=0.5, markeredgewidth=0)
        name_points(points, names)
        return
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=120)
    column = np.clip(np.searchsorted(x_edges, x, side="right") - 1, 0, 119)
    row = np.clip(np.searchsorted(y_edges, y, side="right") - 1, 0, 119)
    density = np.log(counts[column, row])
    order = np.argsort(density, kind="stable")
    if len(order) > 40_000:
        order = order[:: len(order) // 40_000 + 1]
    axis.scatter(
        x[order],
        y[order],
        c=density[order],
        cmap="viridis",
        vmin=-0.2 * density.max(),
        s=3,
        linewidths=0,
        rasterized=True,
    )
    (points,) = axis.plot(x[largest], y[largest], "o", color=VERMILLION, markersize=3.4, alpha=0.8, markeredgewidth=0)
    name_points(points, [names[index] for index in largest])


def element_errors(evaluation: Evaluation) -> Figure:
    """MAE and RMSE of the force components, an element a line."""
    symbols = [symbol for symbol, part in evaluation.elements.items() if "forces" in part.errors]
    with new_figure(size=(4.6, 1.3 + 0.42 * len(symbols))) as (figure, (axis,)):
        for place, symbol in enumerate(symbols):
            error = evaluation.elements[symbol]
            mae, rmse = 1000 * error.errors["forces"].mae, 1000 * error.errors["forces"].rmse
            axis.plot([0, rmse], [place, place], color=FAINT, linewidth=5, zorder=1)
            axis.plot(mae, place, "o", color=GREEN, markersize=8, label="MAE" if place == 0 else None)
            axis.plot(rmse, place, "D", color=BLUE, markersize=7, label="RMSE" if place == 0 else None)
        axis.set_yticks(range(len(symbols)), [f"{s}  ({evaluation.elements[s].n_frames:,})" for s in symbols])
        axis.set_ylim(len(symbols) - 0.4, -0.6)
        axis.set_xlim(left=0)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel("force error, meV/Å")
        axis.set_title("Error by element (atoms)")
        axis.legend(loc="lower right", ncols=2, fontsize=8.5, bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
        return figure


def frame_errors(evaluation: Evaluation) -> Figure:
    """Force error of each frame (energy error, where no forces are labelled); the five worst in colour, the worst named."""
    names = [frame.name for frame in evaluation.frames]
    forces = 1000 * np.array([frame.forces_rmse for frame in evaluation.frames])
    energy = 1000 * np.abs([frame.energy_error / len(frame.numbers) for frame in evaluation.frames])
    with_forces = "forces" in evaluation.errors
    values, label = (forces, "force RMSE, meV/Å") if with_forces else (energy, "energy error, meV/atom")
    with new_figure(size=(4.6, 3.0)) as (figure, (axis,)):
        (points,) = axis.plot(
            values, "o", color=BLUE, markersize=3.4 if len(values) > 100 else 4.5, alpha=0.6, markeredgewidth=0
        )
        name_points(points, [name for name, value in zip(names, values, strict=True) if np.isfinite(value)])
        order = np.argsort(-np.nan_to_num(values, nan=-1))
        (worst_points,) = axis.plot(order[:5], values[order[:5]], "o", color=VERMILLION, markersize=4.5)
        name_points(worst_points, [names[index] for index in order[:5] if np.isfinite(values[index])])
        worst = int(order[0])
        right = worst > 0.6 * len(values)
        axis.annotate(
            names[worst],
            (float(worst), values[worst]),
            textcoords="offset points",
            xytext=(-7 if right else 7, 0),
            ha="right" if right else "left",
            va="center",
            fontsize=8.5,
        )
        axis.set_ylim(bottom=0)
        axis.set_xlabel("frame")
        axis.set_ylabel(label)
        axis.set_title("Error by frame")
        return figure


def calibration(found: Mapping[str, Calibration]) -> Figure:
    """RMS error against RMS uncertainty of bins of predictions, energies and forces side by side."""
    with new_figure(1, len(found), size=(2.3 + 2.3 * len(found), 3.2)) as (figure, axes):
        for axis, (name, values) in zip(axes, found.items(), strict=True):
            unit, factor = PROPERTIES[name].shown or (PROPERTIES[name].unit, 1.0)
            predicted, actual = factor * values.predicted, factor * values.actual
            ends = np.array([min(predicted.min(), actual.min()) / 1.3, max(predicted.max(), actual.max()) * 1.3])
            axis.plot(ends, ends, color=GREY, linewidth=0.8, zorder=1)
            axis.plot(predicted, actual, "o-", color=BLUE, markersize=4.5, linewidth=1.0)
            axis.set_xscale("log")
            axis.set_yscale("log")
            for direction in (axis.xaxis, axis.yaxis):
                _plain_log(direction)
            axis.set_xlabel(f"predicted uncertainty, {unit}")
            axis.set_ylabel(f"RMS error, {unit}")
            axis.set_title(f"Uncertainty of the {name}")
            text = f"within σ {100 * values.within_one:.0f} %, 2σ {100 * values.within_two:.0f} %"
            if not np.isnan(values.correlation):
                text += f"\nrank correlation {values.correlation:.2f}"
            axis.text(0.03, 0.97, text, transform=axis.transAxes, va="top", color=INK, linespacing=1.5, fontsize=8.5)
        return figure


def check_curve(title: str, x_label: str, x: np.ndarray, series: Mapping[str, np.ndarray]) -> Figure:
    """A curve of the physics check, a panel for each quantity."""
    with new_figure(len(series), 1, size=(4.6, 1.0 + 1.35 * len(series))) as (figure, axes):
        for axis, (label, values) in zip(axes, series.items(), strict=True):
            axis.plot(x, values, color=BLUE)
            axis.set_title(label, fontsize=9, fontweight="normal")
            axis.tick_params(labelbottom=axis is axes[-1])
        figure.suptitle(title[:1].upper() + title[1:], fontsize=10, fontweight="bold", x=0.01, ha="left")
        axes[-1].set_xlabel(x_label)
        return figure


def _plain_log(axis: Axis) -> None:
    """Three to seven round numbers, instead of powers, on a logarithmic axis."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

    low, high = axis.get_view_interval()
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    ticks = np.empty(0)
    for digits in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)):
        candidates = np.sort(np.outer(powers, digits).ravel())
        ticks = candidates[(candidates >= low) & (candidates <= high)]
        if len(ticks) >= 3:
            break
    axis.set_major_locator(FixedLocator(ticks.tolist()) if len(ticks) >= 3 else MaxNLocator(5))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
