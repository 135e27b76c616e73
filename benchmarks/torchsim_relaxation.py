"""Relaxation of molecules in TorchSim: all in one batch, and one after the other, of the same steps.

    OMP_NUM_THREADS=1 python benchmarks/torchsim_relaxation.py [--model MODEL] [--molecules 100] [--steps 20] [--device cpu]

Ethanol of the bundled data, by FIRE; a model of random weights where none is given: how fast a step is does not depend on them. CPU time of one
thread, or on a GPU time by the clock. Beside it `equishare relax`'s way, one molecule after the other through the ASE calculator. Writes
`benchmarks/results/torchsim_relaxation.json`.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import torch
import torch_sim
from ase import Atoms
from ase.optimize import FIRE

from equishare import datasets
from equishare.potential import ModelConfig, Potential, load
from equishare.simulate import EquishareCalculator
from equishare.simulate.torchsim import EquishareModel


def together(model: EquishareModel, frames: list[Atoms], steps: int) -> Any:
    """All molecules of one state; every step is taken, for forces never fall below zero."""
    never = torch_sim.runners.generate_force_convergence_fn(force_tol=0.0, include_cell_forces=False)
    fire = getattr(torch_sim, "Optimizer", torch_sim.optimizers).fire  # TorchSim 0.3 knows it by the second name
    return torch_sim.optimize(system=frames, model=model, optimizer=fire, convergence_fn=never, max_steps=steps)


def one_by_one(model: EquishareModel, frames: list[Atoms], steps: int) -> None:
    for frame in frames:
        together(model, [frame], steps)


def by_ase(potential: Potential, frames: list[Atoms], steps: int) -> None:
    for frame in frames:
        atoms = frame.copy()
        atoms.calc = EquishareCalculator(potential)
        FIRE(atoms, logfile=None).run(fmax=0.0, steps=steps)


def seconds(call: Callable[[], object], device: str) -> float:
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    call()
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--molecules", type=int, default=100)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--alone", type=int, default=10, help="so many molecules one by one; the time counts for all")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if arguments.model is None:
        config = ModelConfig.preset(arguments.preset)
        potential = Potential(config, {"H": -13.6, "C": -1030.0, "O": -2041.0}).eval()
    else:
        potential = load(arguments.model)
    whole = [atoms for atoms in datasets.load("ethanol_test") if len(atoms) > 1]
    frames = [Atoms(each.numbers, each.positions) for each in (whole * 10)[: arguments.molecules]]
    few = frames[: arguments.alone]
    model = EquishareModel(potential, device=arguments.device, dtype=torch.float32)
    calls = {
        "one batch": (partial(together, model, frames, arguments.steps), len(frames)),
        "one by one": (partial(one_by_one, model, few, arguments.steps), len(few)),
    }
    if arguments.device == "cpu":
        calls["one by one, ASE calculator"] = partial(by_ase, potential, few, arguments.steps), len(few)
    together(model, frames[:2], 2)  # compiles
    rows = {}
    for name, (call, count) in calls.items():
        found = [seconds(call, arguments.device) for _ in range(2)]
        rows[name] = 1000 * float(np.min(found)) / count
        print(f"{name:28} {rows[name]:8.2f} ms a molecule, {arguments.steps} steps", flush=True)
    ratio = rows["one by one"] / rows["one batch"]
    print(f"in one batch {ratio:.1f} times as fast as one by one")
    machine = measuring.machine("equishare", "torch", "torch-sim-atomistic", "numba")
    results = {"machine": machine, "device": arguments.device, "ms_a_molecule": rows, "ratio": ratio}
    measuring.write("torchsim_relaxation", results | {"molecules": len(frames), "steps": arguments.steps})


if __name__ == "__main__":
    main()
