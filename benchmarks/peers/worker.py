"""What every program under test is asked to do, and how it is timed: the same for all of them.

A worker is a process in an environment of its own, started as ``python equishare_worker.py REQUEST`` (or mace, nequip), REQUEST a
JSON object with the task. It prints one JSON object, the last line of its output. Nothing here needs more than numpy,
ASE and torch. Times are CPU times of the process on one thread.

========= ============================================ ===================================================================
task      request                                      answer
========= ============================================ ===================================================================
step      data (frames), isolated, steps               milliseconds of each training step, atoms a step, parameters, and
                                                       CPU and wall seconds from the start of the process to the first step
md        data, isolated, steps                        milliseconds of each step through the ASE calculator, atoms
water     molecules, steps                             the same for a box of water, and memory in MiB before and at most
crystal   element, lattice, repeat, steps              the same as of md for a bcc crystal
errors    data                                         mean absolute errors of energies an atom and of forces, in meV and meV/Å
========= ============================================ ===================================================================
"""

import json
import os
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk

BATCH = 5
CUTOFF = 5.0


class Program(ABC):
    """What a program must offer."""

    packages: tuple[str, ...]

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request

    @abstractmethod
    def calculator(self, energies: dict[str, float]) -> Any:
        """ASE calculator of a model with random weights, in float32; or of the file that the request names."""


class Trainable(Program):
    """A program whose training is measured too."""

    @abstractmethod
    def trainer(self, frames: list[Atoms], energies: dict[str, float]) -> tuple[Callable[[int], object], int]:
        """(one training step on batch number k, number of parameters)."""


def main(program: type[Program]) -> None:
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
    request = json.loads(sys.argv[1])
    answer = TASKS[request["task"]](program(request), request)
    versions = {name: _version(name) for name in (*program.packages, "torch", "e3nn", "numpy")}
    print(json.dumps({**answer, "versions": versions}))


def step(program: Trainable, request: dict[str, Any]) -> dict[str, Any]:
    frames = ase.io.read(request["data"], ":")
    one_step, parameters = program.trainer(frames, isolated(request["isolated"]))
    one_step(0)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # compilers that ran beside
    cpu = time.process_time() + children.ru_utime + children.ru_stime
    first = {"first_step_cpu_s": cpu, "first_step_wall_s": time.time() - _process_start()}
    times = timed(one_step, request["steps"])
    atoms = float(np.mean([len(a) for a in frames])) * BATCH
    return {"milliseconds": times, "atoms": atoms, "parameters": parameters, **first}


def md(program: Program, request: dict[str, Any]) -> dict[str, Any]:
    atoms = ase.io.read(request["data"], "0")
    atoms.calc = program.calculator(isolated(request["isolated"]))
    return {"milliseconds": timed(mover(atoms), request["steps"]), "atoms": len(atoms)}


def water(program: Program, request: dict[str, Any]) -> dict[str, Any]:
    atoms = water_box(request["molecules"])
    atoms.calc = program.calculator({"H": -13.6, "O": -2041.3})
    before = _resident()
    times = timed(mover(atoms), request["steps"])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"milliseconds": times, "atoms": len(atoms), "memory_before": before, "memory_most": most}


def crystal(program: Program, request: dict[str, Any]) -> dict[str, Any]:
    element = request["element"]
    atoms = bulk(element, "bcc", a=request["lattice"], cubic=True).repeat(request["repeat"])
    atoms.calc = program.calculator({element: -1.0})
    return {"milliseconds": timed(mover(atoms), request["steps"]), "atoms": len(atoms)}


def errors(program: Program, request: dict[str, Any]) -> dict[str, Any]:
    frames = ase.io.read(request["data"], ":")
    calculator = program.calculator({frames[0].get_chemical_symbols()[0]: -1.0})
    energies, forces = [], []
    for frame in frames:
        found = frame.copy()
        found.calc = calculator
        energies.append((found.get_potential_energy() - frame.get_potential_energy()) / len(frame))
        forces.append(found.get_forces() - frame.get_forces())
    mean = {"energy_meV_atom": np.abs(energies).mean(), "forces_meV_A": np.abs(np.concatenate(forces)).mean()}
    return {name: 1000 * float(value) for name, value in mean.items()}


TASKS = {"step": step, "md": md, "water": water, "crystal": crystal, "errors": errors}


def timed(call: Callable[[int], object], repeats: int) -> list[float]:
    """CPU milliseconds of each of so many calls; one or two before them warm up."""
    for k in range(min(2, repeats)):
        call(k)
    times = []
    for k in range(repeats):
        start = time.process_time()
        call(2 + k)
        times.append(round(1000 * (time.process_time() - start), 3))
    return times


def mover(atoms: Atoms) -> Callable[[int], object]:
    """A step as small as one of dynamics, then forces."""
    rng = np.random.default_rng(0)

    def call(_: int) -> object:
        atoms.positions += rng.normal(scale=0.002, size=atoms.positions.shape)
        return atoms.get_forces()

    return call


def isolated(path: str) -> dict[str, float]:
    """Energies of isolated atoms, by element."""
    return {a.get_chemical_symbols()[0]: a.get_potential_energy() for a in ase.io.read(path, ":")}


def water_box(molecules: int, seed: int = 0) -> Atoms:
    """Water at 1 g/cm^3: molecules in random orientations on a cubic grid, periodic."""
    side = round(molecules ** (1 / 3))
    if side**3 != molecules:
        raise SystemExit(f"expected a cubic number of molecules, got {molecules}")
    rng = np.random.default_rng(seed)
    spacing = (18.015 / 0.602214) ** (1 / 3)  # g/mol over 1 g/cm^3, in Å
    angle = np.radians(104.52 / 2)
    molecule = 0.9572 * np.array([[0, 0, 0], [np.sin(angle), 0, np.cos(angle)], [-np.sin(angle), 0, np.cos(angle)]])
    turns = np.linalg.qr(rng.normal(size=(molecules, 3, 3)))[0]
    grid = spacing * np.stack(np.meshgrid(*[np.arange(side)] * 3), axis=-1).reshape(-1, 1, 3)
    positions = (grid + molecule @ turns).reshape(-1, 3)
    return Atoms("OHH" * molecules, positions, cell=[side * spacing] * 3, pbc=True)


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _process_start() -> float:
    """When this process was started, in seconds since the epoch."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"
