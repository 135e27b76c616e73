"""A folder with the files that the documentation speaks of."""

import json
from pathlib import Path

import pytest
import torch
from ase.io import write
from ase.units import Bohr, Hartree

from equishare.datasets import load
from equishare.potential import Committee, ModelConfig, Potential, Statistics, save

STRUCTURES = ("start", "molecule", "ethanol", "relaxed")
SETS = ("my", "new", "old", "better", "test", "cheap", "molecules")


@pytest.fixture(scope="session")
def example_files(tmp_path_factory) -> Path:
    """``my.xyz``, ``model.safetensors`` and their like; the model is small and has learnt nothing."""
    folder = tmp_path_factory.mktemp("files")
    frames = load("ethanol")[:40]
    for name in SETS:
        write(folder / f"{name}.xyz", frames)
    for name in STRUCTURES:
        write(folder / f"{name}.xyz", frames[-1])
    write(folder / "isolated_atoms.xyz", frames[:3])
    (folder / "results.json").write_text(json.dumps([record(atoms) for atoms in frames]))
    config = ModelConfig(channels=4, l_density=1, l_features=1, n_basis=4, n_hidden=4, cutoff=4.0, heads=("dipole",))
    energies = {"H": -13.5, "C": -1027.5, "O": -2041.5}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        potential = Potential(config, Statistics(reference_energies=energies, shift=dict.fromkeys(energies, 0.0)))
        potential.committee = Committee(potential.energy.n_inputs, members=3)
    for model in ("model", "runs/mine/model", "runs/first/model", "runs/my-1/model"):
        path = folder / f"{model}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(potential, path)
    return folder


def record(atoms) -> dict:
    """A frame as the page about formats has it."""
    forces = atoms.get_forces() if len(atoms) > 1 else atoms.positions * 0
    return {
        "elements": atoms.get_chemical_symbols(),
        "xyz": atoms.positions.tolist(),
        "energy_hartree": atoms.get_potential_energy() / Hartree,
        "gradient": (-forces * Bohr / Hartree).tolist(),
    }
