"""Milliseconds of one molecular dynamics step through the ASE calculator, and where they go.

    OMP_NUM_THREADS=1 taskset -c 1 python benchmarks/md_step.py [STRUCTURE] [--model MODEL | --preset default]

Prints the CPU time of the thread: least and median over the steps, for other programs may share the core.
"""

import argparse
import copy
import time
from collections.abc import Callable

import ase.io
import numpy as np
import torch
from ase.build import molecule

from equishare.potential import ModelConfig, Potential, load
from equishare.potential.arrays import ArrayPotential, Structure
from equishare.simulate import EquishareCalculator


def measure(name: str, call: Callable[[], object], repeats: int = 200) -> None:
    for _ in range(5):
        call()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        times.append(1000 * (time.thread_time() - start))
    print(f"{name:32s} least {min(times):6.2f} ms   median {np.median(times):6.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("structure", nargs="?", help="any file ASE reads; default: butane, 14 atoms")
    parser.add_argument("--model", help="model file; default: random weights")
    parser.add_argument("--preset", default="default")
    arguments = parser.parse_args()
    atoms = ase.io.read(arguments.structure) if arguments.structure else molecule("trans-butane")
    reference = dict.fromkeys(sorted(set(atoms.symbols)), -100.0)
    potential = load(arguments.model) if arguments.model else Potential(ModelConfig.preset(arguments.preset), reference)
    rng = np.random.default_rng(0)
    print(f"{len(atoms)} atoms, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    for dtype in (torch.float32, torch.float64):
        calc = atoms.calc = EquishareCalculator(potential, dtype=dtype)

        def step() -> None:
            atoms.positions += rng.normal(scale=1e-4, size=atoms.positions.shape)
            atoms.get_forces()

        measure(f"{dtype}: a step", step)
        pairs, graph = calc._pairs(atoms), calc._graph(atoms)
        given = Structure(atoms.numbers, pairs.vectors, pairs.sender, pairs.receiver)
        arrays, tape = ArrayPotential(calc.potential), copy.deepcopy(potential).to(dtype).eval().requires_grad_(False)
        measure("  energy and forces", lambda: arrays(given))  # noqa: B023
        measure("  the same by autograd's tape", lambda: tape(graph))  # noqa: B023
        measure("  neighbours", lambda: calc._pairs(atoms))  # noqa: B023


if __name__ == "__main__":
    main()
