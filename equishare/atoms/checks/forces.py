"""Are forces and energies those of converged calculations?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.part import Part, concerning
from equishare.atoms.frame import Frame, species_counts, stacked

__all__ = ["check_energies", "check_forces"]

_ROUNDING = 0.01  # 1/Å: of the range of the energies


def check_forces(part: Part) -> Iterator[DataFinding]:
    """Frames with forces far beyond the others', and forces that do not sum to zero."""
    frames = [f for f in part.frames if f.has("forces") and f.n_atoms and "forces" not in f.not_finite]
    if not frames:
        return
    largest, net = np.concatenate([_largest_and_net(*some) for some in stacked(frames, "forces")], axis=1)
    energies = np.array([f.energy / f.n_atoms for f in frames if f.energy is not None])
    if 0.0 < largest.max() < _ROUNDING * (np.ptp(energies) if len(energies) > 1 else 0.0):
        yield DataFinding(
            "info",
            "symmetric",
            f"{part.name}: forces of at most {largest.max():.2g} eV/Å, energies from {energies.min():.6g} to {energies.max():.6g} eV an atom: "
            "crystals whose symmetry leaves no forces",
            "a potential learns next to nothing of forces from them: add frames with displaced atoms",
        )
    middle = float(np.median(largest))
    logarithm = np.log(np.maximum(largest, 1e-3))
    spread = max(1.4826 * float(np.median(np.abs(logarithm - np.median(logarithm)))), 0.15)
    far = (logarithm > np.median(logarithm) + 6.0 * spread) & (largest > 5.0 * middle) & (largest > 1.0)
    outlying = far | (largest > 100.0) if len(frames) >= 10 else largest > 100.0
    order = [n for n in np.argsort(-largest) if outlying[n]]
    yield from concerning(
        "warning",
        "outlier-forces",
        part.name,
        [frames[n] for n in order],
        f"forces of up to {largest.max():.3g} eV/Å in #; the median of the frames' largest is {middle:.3g}",
        "look at these frames: calculations that did not converge spoil the fit, and are best removed",
    )
    drifting = [f for f, value in zip(frames, net, strict=True) if value > 0.005]
    yield from concerning(
        "warning",
        "net-force",
        part.name,
        drifting,
        f"forces do not sum to zero in # (up to {net.max():.3g} eV/Å per atom)",
        "no potential can fit that part; were atoms held fixed, left out, or the calculation too coarse?",
    )


def _largest_and_net(frames: Sequence[Frame], forces: np.ndarray) -> np.ndarray:
    """For each frame the largest norm of a force, and that of their sum an atom."""
    sizes = np.array([frame.n_atoms for frame in frames])
    starts = np.cumsum(sizes) - sizes
    net = np.linalg.norm(np.add.reduceat(forces, starts), axis=1) / sizes
    return np.stack([np.maximum.reduceat(np.linalg.norm(forces, axis=1), starts), net])


def check_energies(part: Part) -> Iterator[DataFinding]:
    """Frames whose energy is far from what their elements and the other frames give."""
    frames = [f for f in part.sound_frames if f.energy is not None]
    if len(frames) < 10:
        return
    _, counts = species_counts(frames)
    sizes, energies = counts.sum(axis=1), np.array([f.energy for f in frames])
    kept = np.ones(len(frames), dtype=bool)
    for _ in range(5):  # outliers must not bend the fit that judges them
        mean = np.linalg.lstsq(counts[kept] / sizes[kept, None], (energies / sizes)[kept], rcond=1e-8)[0]
        rest = (energies - counts @ mean) / sizes
        middle = float(np.median(rest))
        spread = max(1.4826 * float(np.median(np.abs(rest - middle))), 0.02)
        kept = np.abs(rest - middle) < 12.0 * spread
    far = np.abs(rest - middle) > np.maximum(12.0 * spread, 1.0)
    if far.sum() > 0.2 * len(frames):
        return
    yield from concerning(
        "warning",
        "outlier-energy",
        part.name,
        [frames[n] for n in np.argsort(-np.abs(rest - middle)) if far[n]],
        f"the energy of # is up to {np.abs(rest - middle).max():.3g} eV an atom from what the others give; {spread:.2g} is usual",
        "look at these frames: another unit, method or state, or a calculation that did not converge?",
    )
