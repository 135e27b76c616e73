"""The picture of a molecular dynamics run."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from equishare.simulate.md.rows import MDResult
from equishare.simulate.panels import legend_above, panels, save


def plot_md(result: MDResult, path: Path) -> None:
    """Draw temperature, energy (NVE: the total one, with its drift) and, at constant pressure, volume and pressure against time."""
    constant_pressure = result.settings.ensemble == "npt"
    figure, axes = panels(4 if constant_pressure else 2)
    times = np.array([row.time for row in result.rows]) / 1000
    asked = result.settings.temperature
    kelvin = np.array([row.temperature for row in result.rows])
    _line(axes[0], times, kelvin, "temperature (K)", "tab:red", (asked, f"{asked:g} K asked for"))
    _energy(axes[1], times, result)
    if constant_pressure:
        volume = np.array([row.volume for row in result.rows], dtype=float)
        _line(axes[2], times, volume, "volume (Å³)", "tab:green", (volume.mean(), f"mean {volume.mean():.5g} Å³"))
        pressure = np.array([row.pressure for row in result.rows], dtype=float)
        bar = result.settings.pressure
        label = f"{bar:g} bar asked for, mean {pressure.mean():.4g} bar"
        _line(axes[3], times, pressure, "pressure (bar)", "tab:purple", (bar, label))
    axes[-1].set_xlabel("time (ps)")
    if result.stopped:
        figure.suptitle(result.stopped, color="tab:red", fontsize=8, wrap=True)
    save(figure, path)


def _line(axis: Axes, times: np.ndarray, values: np.ndarray, name: str, colour: str, level: tuple[float, str]) -> None:
    axis.plot(times, values, color=colour, linewidth=0.8)
    axis.axhline(level[0], color="black", linestyle="--", linewidth=0.8, label=level[1])
    axis.set_ylabel(name)
    legend_above(axis)


def _energy(axis: Axes, times: np.ndarray, result: MDResult) -> None:
    conserved = result.settings.ensemble == "nve"
    energy = np.array([row.total_energy if conserved else row.potential_energy for row in result.rows])
    shifted = (energy - energy[0]) * 1000 / result.n_atoms
    name = "total energy" if conserved else "potential energy"
    axis.plot(times, shifted, color="tab:blue", linewidth=0.8, label=name)
    if conserved and not math.isnan(result.drift):
        line = shifted.mean() + result.drift * (times - times.mean())
        label = f"drift {result.drift:+.3g} meV/atom/ps"
        axis.plot(times, line, color="black", linestyle="--", linewidth=0.8, label=label)
    axis.set_ylabel(f"{name}\n− start (meV/atom)")
    legend_above(axis)
