"""Long molecular dynamics above the temperature of the training data: does the potential hold the molecule together?

    OMP_NUM_THREADS=1 python benchmarks/md_stability.py MODEL START [--temperature 600] [--picoseconds 100]

Langevin dynamics as `equishare md` runs it, which stops where two atoms collide, one flies off, a force, the temperature or the
energy leaves all bounds. Prints energy, temperature and bond lengths every tenth of the run, and writes the ranges over the
whole run, with machine and versions, to `benchmarks/results/md_stability.json`. Exit code 1 if the run was stopped.

A bond is a pair of atoms of START other than hydrogen that are closer than 1.25 times the sum of their covalent radii; a hydrogen atom may
change its partner (enols do), so its length is the distance to its nearest atom other than hydrogen.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import ase.io
import measuring
import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from equishare.simulate.md import MDRow, MDSettings, run_md

RESULTS = Path(__file__).parent / "results" / "md_stability.json"
EVERY = 20


def heavy_bonds(atoms: Atoms) -> np.ndarray:
    """Pairs of bonded atoms other than hydrogen."""
    distances = atoms.get_all_distances(mic=True)
    radii = covalent_radii[atoms.numbers]
    near = distances < 1.25 * (radii[:, None] + radii[None])
    heavy = atoms.numbers > 1
    return np.argwhere(np.triu(near & heavy[:, None] & heavy[None], k=1))


def lengths(atoms: Atoms, bonds: np.ndarray) -> dict[str, list[float]]:
    """Lengths in Å by kind of bond, such as C-O, and X-H for hydrogen and its nearest partner."""
    distances = atoms.get_all_distances(mic=True)
    found: dict[str, list[float]] = {}
    for i, j in bonds:
        found.setdefault("-".join(sorted((atoms.symbols[i], atoms.symbols[j]))), []).append(float(distances[i, j]))
    hydrogen, heavy = np.flatnonzero(atoms.numbers == 1), np.flatnonzero(atoms.numbers > 1)
    if len(hydrogen) and len(heavy):
        found["X-H"] = distances[np.ix_(hydrogen, heavy)].min(axis=1).tolist()
    return found


def ranges(frames: Sequence[Atoms], bonds: np.ndarray) -> dict[str, tuple[float, float]]:
    """Shortest and longest bond of each kind in frames."""
    every = [lengths(atoms, bonds) for atoms in frames]
    return {
        name: (min(min(found[name]) for found in every), max(max(found[name]) for found in every)) for name in every[0]
    }


def text(found: dict[str, tuple[float, float]]) -> str:
    return "  ".join(f"{name} {low:.2f}-{high:.2f}" for name, (low, high) in found.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("start", type=Path, help="any file ASE reads; its first frame")
    parser.add_argument("--temperature", type=float, default=600.0, help="K")
    parser.add_argument("--picoseconds", type=float, default=100.0)
    parser.add_argument("--timestep", type=float, default=0.5, help="fs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    start = ase.io.read(arguments.start, index=0)
    bonds = heavy_bonds(start)
    steps = round(1000 * arguments.picoseconds / arguments.timestep)
    begun, wall, told = time.process_time(), time.monotonic(), [0]

    def report(row: MDRow) -> None:
        if 10 * row.step // steps >= told[0]:
            told[0] += 1
            print(
                f"{row.time / 1000:8.2f} ps  {row.temperature:6.0f} K  E_pot {row.potential_energy:.3f} eV  "
                f"largest force {row.max_force:.2f} eV/Å",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as temporary:
        settings = MDSettings(
            temperature=arguments.temperature, timestep=arguments.timestep, seed=arguments.seed, interval=EVERY
        )
        result = run_md(arguments.model, start, steps, Path(temporary) / "md", settings, report=report)
        seconds, elapsed = time.process_time() - begun, time.monotonic() - wall
        frames = ase.io.read(Path(temporary) / "md" / "trajectory.xyz", ":")
    energy = np.array([row.potential_energy for row in result.rows])
    kelvin = np.array([row.temperature for row in result.rows])
    tenth = max(1, len(energy) // 10)
    found = ranges(frames, bonds)
    done = result.rows[-1]
    summary = {
        "command": f"python benchmarks/md_stability.py MODEL START --temperature {arguments.temperature:g} "
        f"--picoseconds {arguments.picoseconds:g} --timestep {arguments.timestep:g} --seed {arguments.seed}",
        "machine": measuring.machine("torch", "e3nn", "numpy", "numba", "ase"),
        "atoms": len(start),
        "steps": done.step,
        "picoseconds": done.time / 1000,
        "stopped": result.stopped,
        "mean_temperature_K": float(kelvin.mean()),
        "temperature_range_K": [float(kelvin.min()), float(kelvin.max())],
        "potential_energy_range_eV": [float(energy.min()), float(energy.max())],
        "potential_energy_first_and_last_tenth_eV": [float(energy[:tenth].mean()), float(energy[-tenth:].mean())],
        "largest_force_eV_per_A": max(row.max_force for row in result.rows),
        "bond_ranges_A": {name: [round(low, 3), round(high, 3)] for name, (low, high) in found.items()},
        "cpu_ms_a_step": 1000 * seconds / done.step,
        "wall_seconds": elapsed,
    }
    arguments.out.parent.mkdir(exist_ok=True)
    measuring.save(arguments.out, summary)
    print(f"{done.step} steps, {done.time / 1000:g} ps, {1000 * seconds / done.step:.2f} ms of CPU a step")
    print(f"temperature {kelvin.mean():.0f} K on average, {kelvin.min():.0f} to {kelvin.max():.0f} K")
    print(f"potential energy {energy.min():.3f} to {energy.max():.3f} eV; bonds in Å: {text(found)}")
    if result.stopped:
        sys.exit(result.stopped)


if __name__ == "__main__":
    main()
