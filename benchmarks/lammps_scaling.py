"""LAMMPS in one process and in several: microseconds an atom and step, parallel efficiency, memory, what Python costs a step.

    OMP_NUM_THREADS=1 python benchmarks/lammps_scaling.py [--atoms 999 10125 98304] [--ranks 1 2] [--model MODEL | --preset default]

Water at the density of the liquid, molecules turned at random, of random weights where no model is given: how fast a network is does not depend
on them. Prints a table, and writes it with machine and versions to `benchmarks/results/lammps_scaling.json`.
"""

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measuring
import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from ase.io.lammpsdata import write_lammps_data

from equishare.potential import ModelConfig, Potential, save
from equishare.simulate import EquishareCalculator

SPACING = 3.104  # Å between molecules: 1 g/cm^3
INPUT = """
units metal
atom_style atomic
read_data {data}
pair_style equishare
pair_coeff * * {model} H O
neighbor 1.0 bin
fix 1 all nve
timestep 0.0000001
run 1
run {steps}
"""


def liquid(atoms: int) -> Atoms:
    """A box of about so many atoms, near to a cube."""
    rng, one = np.random.default_rng(0), molecule("H2O")
    side = round((atoms / 3) ** (1 / 3))
    counts = side, side, max(round(atoms / 3 / side**2), 1)
    grid = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), axis=-1).reshape(-1, 3)
    turns = np.linalg.qr(rng.normal(size=(len(grid), 3, 3)))[0]
    centred = one.positions - one.get_center_of_mass()
    positions = SPACING * (grid[:, None] + 0.5) + np.einsum("ia,kab->kib", centred, turns)
    return Atoms("OHH" * len(grid), positions.reshape(-1, 3), cell=SPACING * np.array(counts), pbc=True)


def run(atoms: Atoms, model: Path, ranks: int, steps: int) -> dict[str, float]:
    """Seconds of a step by LAMMPS's log, and its parts."""
    with tempfile.TemporaryDirectory() as folder:
        write_lammps_data(f"{folder}/data", atoms, specorder=["H", "O"], masses=True, units="metal")
        (Path(folder) / "in.lammps").write_text(INPUT.format(data=f"{folder}/data", model=model.resolve(), steps=steps))
        command = [sys.executable, "-m", "equishare.cli", "lammps", "in.lammps", "-np", str(ranks), "-log", "none"]
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr)
    last = done.stdout.rpartition("Loop time of")[2]
    seconds = float(last.split()[0]) / steps
    parts = {
        name: float(re.search(rf"^{name} +\|[^|]*\| *([0-9.e+-]+)", last, re.M)[1]) / steps for name in ("Pair", "Comm")
    }
    # of the largest process so far: sizes come in ascending order
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    share = float(re.search(r"([0-9.]+)% CPU use", last)[1]) / 100
    return {
        "cpu_us_an_atom": 1e6 * seconds * share * ranks / len(atoms),
        "mb": megabytes,
        "s": seconds,
        "us_an_atom": 1e6 * seconds / len(atoms),
        "pair_s": parts["Pair"],
        "comm_s": parts["Comm"],
    }


def by_ase(atoms: Atoms, model: Path, steps: int) -> float:
    """Least microseconds an atom of a step through the ASE calculator in this process."""
    atoms = atoms.copy()
    atoms.calc = EquishareCalculator(model)
    times = []
    for _ in range(steps + 1):
        atoms.positions += 1e-5 * np.random.default_rng(0).normal(size=atoms.positions.shape)
        start = time.perf_counter()
        atoms.get_forces()
        times.append(time.perf_counter() - start)
    return 1e6 * min(times) / len(atoms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atoms", type=int, nargs="+", default=[999, 10125, 98304])
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", type=Path, help="model file that knows H and O")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--repeats", type=int, default=3, help="the least of so many runs counts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model
        if model is None:
            model = Path(folder) / "model.safetensors"
            torch.manual_seed(0)
            save(Potential(ModelConfig.preset(arguments.preset), {"H": -13.6, "O": -430.0}), model)
        small = [run(molecule("H2O", vacuum=4.0), model, 1, 100) for _ in range(arguments.repeats)]
        fixed, base = min(row["s"] for row in small), small[-1]["mb"]
        print(f"a step of 3 atoms: {1000 * fixed:.2f} ms")
        for size in sorted(arguments.atoms):
            atoms = liquid(size)
            steps = max(2, min(30, 60_000 // len(atoms)))
            alone = None
            for ranks in sorted(arguments.ranks):
                found = min(
                    (run(atoms, model, ranks, steps) for _ in range(arguments.repeats)), key=lambda row: row["s"]
                )
                alone = found["s"] * ranks if alone is None else alone
                found |= {"atoms": len(atoms), "ranks": ranks, "efficiency": alone / (ranks * found["s"])}
                found["fixed"] = fixed / found["s"]
                if ranks == 1:
                    found["kb_an_atom"] = 1024 * (found["mb"] - base) / len(atoms)
                    print(f"{len(atoms):8d} atoms: memory {found['kb_an_atom']:.1f} kB an atom")
                rows.append(found)
                print(
                    f"{len(atoms):8d} atoms {ranks} ranks {found['us_an_atom']:8.1f} µs an atom and step (CPU {found['cpu_us_an_atom']:.1f}), efficiency {found['efficiency']:.2f}, "
                    f"communication {100 * found['comm_s'] / found['s']:.1f} %, fixed costs {100 * found['fixed']:.2f} %",
                    flush=True,
                )
            if len(atoms) < 20_000:
                rows.append({"atoms": len(atoms), "ase_us_an_atom": by_ase(atoms, model, min(steps, 5))})
                print(f"{len(atoms):8d} atoms by ASE {rows[-1]['ase_us_an_atom']:8.1f} µs an atom and step", flush=True)
            machine = measuring.machine("equishare", "lammps", "mpich", "torch", "numba")
            measuring.write("lammps_scaling", {"machine": machine, "step_of_3_atoms_s": fixed, "rows": rows})


if __name__ == "__main__":
    main()
