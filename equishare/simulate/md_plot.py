"""The picture of a molecular dynamics run."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from equishare.files import replacing

if TYPE_CHECKING:
    from equishare.simulate.md import MDResult


def plot_md(result: "MDResult", temperature: float, path: Path) -> None:
    """Draw temperature, and the total energy with its drift (NVE) or the potential energy (Langevin), against time."""
    times = np.array([row.time for row in result.rows]) / 1000
    kelvin = np.array([row.temperature for row in result.rows])
    conserved = result.ensemble == "nve"
    energy = np.array([row.total_energy if conserved else row.potential_energy for row in result.rows])
    shifted = (energy - energy[0]) * 1000 / result.n_atoms
    figure = Figure(figsize=(7, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.plot(times, kelvin, color="tab:red", linewidth=0.8)
    top.axhline(temperature, color="black", linestyle="--", linewidth=0.8, label=f"{temperature:g} K asked for")
    top.set_ylabel("temperature (K)")
    top.legend(loc="upper right", framealpha=0.9, edgecolor="none")
    name = "total energy" if conserved else "potential energy"
    bottom.plot(times, shifted, color="tab:blue", linewidth=0.8, label=name)
    if conserved and not math.isnan(result.drift):
        line = shifted.mean() + result.drift * (times - times.mean())
        label = f"drift {result.drift:+.3g} meV/atom/ps"
        bottom.plot(times, line, color="black", linestyle="--", linewidth=0.8, label=label)
    bottom.set_ylabel(f"{name} − start (meV/atom)")
    bottom.set_xlabel("time (ps)")
    bottom.legend(loc="upper right", framealpha=0.9, edgecolor="none")
    if result.stopped:
        figure.suptitle(result.stopped, color="tab:red", fontsize=8, wrap=True)
    with replacing(path) as beside:
        figure.savefig(beside, format="png", dpi=150)
