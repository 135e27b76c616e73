"""Pictures of relaxations, vibrations and spectra."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from equishare.simulate.panels import legend_above, panels, save
from equishare.simulate.relax import Relaxation
from equishare.simulate.spectrum import Spectrum
from equishare.simulate.vibrations import Bands, Modes


def plot_relaxation(found: Relaxation, fmax: float, path: Path) -> None:
    """Draw the energy above its last value and the largest force against the step."""
    figure, (top, bottom) = panels(2)
    steps = [row.step for row in found.rows]
    energies = np.array([row.energy for row in found.rows])
    top.plot(steps, 1000 * (energies - energies[-1]), marker=".", linewidth=0.8)
    top.set_ylabel("energy − last (meV)")
    forces = np.array([row.max_force for row in found.rows])
    # the logarithm has no place for a force of zero, which an atom alone feels: it is left out
    bottom.semilogy(steps, np.where(forces > 0, forces, np.nan), marker=".", linewidth=0.8, color="tab:red")
    bottom.axhline(fmax, color="black", linestyle="--", linewidth=0.8, label=f"{fmax:g} eV/Å asked for")
    bottom.set(ylabel="largest force (eV/Å)", xlabel="step")
    legend_above(bottom)
    save(figure, path)


def plot_modes(modes: Modes, path: Path) -> None:
    """Draw a line for each mode: as high as it absorbs, or all alike."""
    figure, (axes,) = panels(1)
    heights = np.ones(len(modes.wave_numbers)) if modes.intensities is None else modes.intensities
    axes.vlines(modes.wave_numbers, 0, heights, linewidth=1.2)
    axes.set(xlabel="wave number (1/cm)", ylim=(0, None))
    if modes.intensities is None:
        axes.set_yticks([])
    else:
        axes.set_ylabel("infrared intensity (km/mol)")
    save(figure, path)


def plot_bands(bands: Bands, path: Path) -> None:
    """Draw phonon bands, and beside them the density of states."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1))
    for distance, wave in zip(bands.distances, bands.wave_numbers, strict=True):
        left.plot(distance, wave, color="tab:blue", linewidth=0.9)
        left.axvline(distance[0], color="grey", linewidth=0.5)
    ticks: dict[float, str] = {}
    for distance, (start, stop) in zip(bands.distances, bands.labels, strict=True):
        before = ticks.get(float(distance[0]))
        ticks[float(distance[0])] = start if before in (None, start) else f"{before}|{start}"
        ticks[float(distance[-1])] = stop
    left.set_xticks(list(ticks), [name.replace("G", "Γ") for name in ticks.values()])
    left.set(ylabel="wave number (1/cm)", xlim=(bands.distances[0][0], bands.distances[-1][-1]))
    left.axhline(0, color="black", linewidth=0.5)
    right.plot(bands.density[1], bands.density[0], color="tab:green", linewidth=0.9)
    right.set(xlabel="density of states", xticks=[])
    save(figure, path)


def plot_spectrum(found: Spectrum, path: Path) -> None:
    """Draw the infrared spectrum and Raman's, as far as there are any."""
    kinds = [("infrared (km/mol per 1/cm)", found.infrared), ("Raman (arbitrary units)", found.raman)]
    there = [(name, values) for name, values in kinds if values is not None]
    figure, axes = panels(len(there))
    for axis, (name, values) in zip(axes, there, strict=True):
        axis.plot(found.wave_numbers, values, linewidth=0.9)
        axis.set(ylabel=name, ylim=(0, None))
    axes[-1].set(xlabel="wave number (1/cm)", xlim=(0, min(4500, found.wave_numbers[-1])))
    save(figure, path)
