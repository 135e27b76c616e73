"""LAMMPS in one process and in several: microseconds an atom and step, parallel efficiency, memory, what Python costs a step.

    OMP_NUM_THREADS=1 python benchmarks/lammps_scaling.py [--atoms 999 10125 98304] [--ranks 1 2] [--model MODEL | --preset default]

Water at the density of the liquid, molecules turned at random, of random weights where no model is given: how fast a network is does not depend
on them. Each process notes its own CPU time of a step, and how much of that is in the exchange of ghosts, where it also waits: so what dividing the
atoms costs is seen on a machine that others use too, where time by the clock says nothing. Prints a table, and adds it with machine and versions
to `benchmarks/results/lammps_scaling.json`.
"""

import argparse
import json
import os
import re
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
from equishare.simulate.lammps import build
from equishare.simulate.lammps.wheels import find_wheels

NAME = "lammps_scaling"
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


WATCHED = """
import atexit, json, os, resource, sys, time
from equishare.simulate.lammps import process
from equishare.simulate.lammps.potential import DomainPotential

spent, evaluate = [], DomainPotential.__call__

def timed(exchange, clock):
    def call(array):
        start = time.process_time()
        exchange(array)
        clock[0] += time.process_time() - start
    return call

def watched(self, domain):
    exchanged, start = [0.0], time.process_time()
    for name in ("forward", "reverse"):
        object.__setattr__(domain, name, timed(getattr(domain, name), exchanged))
    evaluate(self, domain)
    spent.append((time.process_time() - start - exchanged[0], exchanged[0], domain.n_own, len(domain.species)))

def note():
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(f"rank_{os.getpid()}.json", "w") as file:
        json.dump({"steps": spent[2:], "kb": memory}, file)

DomainPotential.__call__ = watched
atexit.register(note)
sys.exit(process.run(__import__("pathlib").Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
"""


def run(atoms: Atoms, model: Path, ranks: int, steps: int) -> dict[str, float]:
    """Seconds of a step by LAMMPS's log, and what each process says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        write_lammps_data(f"{folder}/data", atoms, specorder=["H", "O"], masses=True, units="metal")
        (Path(folder) / "in.lammps").write_text(INPUT.format(data=f"{folder}/data", model=model.resolve(), steps=steps))
        (Path(folder) / "watched.py").write_text(WATCHED)
        wheels = find_wheels()
        command = [str(wheels.mpiexec), "-n", str(ranks), sys.executable, "watched.py", str(build.plugin(wheels))]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, "in.lammps", "-log", "none"], cwd=folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(done.stdout[-2000:] + done.stderr)
        processes = [json.loads(path.read_text()) for path in Path(folder).glob("rank_*.json")]
    last = done.stdout.rpartition("Loop time of")[2]
    seconds = float(last.split()[0]) / steps
    share = float(re.search(r"([0-9.]+)% CPU use", last)[1]) / 100
    own = np.array([np.mean(each["steps"], axis=0) for each in processes])
    work, exchange, local, seen = own.T
    return {
        "s": seconds,
        "us_an_atom": 1e6 * seconds / len(atoms),
        "cpu_us_an_atom": 1e6 * seconds * share * ranks / len(atoms),
        "work_us_an_atom": 1e6 * work.sum() / len(atoms),
        "most_work_s": float(work.max()),
        "least_exchange_s": float(exchange.min()),
        "ghosts_an_atom": float((seen - local).sum() / len(atoms)),
        "mb": max(each["kb"] for each in processes) / 1024,
    }


def by_ase(atoms: Atoms, model: Path, steps: int) -> float:
    """Least microseconds of CPU an atom of a step through the ASE calculator in this process."""
    atoms = atoms.copy()
    atoms.calc = EquishareCalculator(model)
    times = []
    for _ in range(steps + 1):
        atoms.positions += 1e-5 * np.random.default_rng(0).normal(size=atoms.positions.shape)
        start = time.process_time()
        atoms.get_forces()
        times.append(time.process_time() - start)
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
        fixed, base = min(row["most_work_s"] for row in small), small[-1]["mb"]
        print(f"a step of 3 atoms: {1000 * fixed:.2f} ms")
        for size in sorted(arguments.atoms):
            atoms = liquid(size)
            steps = max(1, min(30, 60_000 // len(atoms)))
            alone = None
            for ranks in sorted(arguments.ranks):
                runs = [run(atoms, model, ranks, steps) for _ in range(arguments.repeats)]
                found = min(runs, key=lambda row: row["work_us_an_atom"])
                a_rank = found["most_work_s"] + found["least_exchange_s"]
                if ranks == 1:
                    alone = a_rank
                memory = 1024 * ranks * (found["mb"] - base) / len(atoms)
                found |= {"atoms": len(atoms), "ranks": ranks, "fixed": fixed / a_rank, "kb_an_atom": memory}
                if alone is not None:
                    found["efficiency"] = alone / (ranks * a_rank)
                rows.append(found)
                print(
                    f"{len(atoms):8d} atoms {ranks} ranks: {found['us_an_atom']:7.1f} µs an atom and step by the clock; CPU {found['work_us_an_atom']:7.1f} "
                    f"of work, {1e6 * ranks * found['least_exchange_s'] / len(atoms):5.1f} of exchange; {found['ghosts_an_atom']:.2f} ghosts an atom, "
                    f"efficiency by CPU time {found.get('efficiency', float('nan')):.2f}, fixed costs {100 * found['fixed']:.2f} %, "
                    f"memory {memory:.1f} kB an atom",
                    flush=True,
                )
            if len(atoms) < 20_000:
                rows.append({"atoms": len(atoms), "ase_us_an_atom": by_ase(atoms, model, min(steps, 5))})
                print(f"{len(atoms):8d} atoms by ASE {rows[-1]['ase_us_an_atom']:8.1f} µs an atom and step", flush=True)
            machine = measuring.machine("equishare", "lammps", "mpich", "torch", "numba")
            new = {_key(row) for row in rows}
            kept = [row for row in measuring.read(NAME).get("rows", []) if _key(row) not in new]
            whole = sorted(kept + rows, key=_key)
            measuring.write(NAME, {"machine": machine, "step_of_3_atoms_s": fixed, "rows": whole})


def _key(row: dict[str, float]) -> tuple[float, float]:
    return row["atoms"], row.get("ranks", 0)


if __name__ == "__main__":
    main()
