"""TorchSim: its own check of models, ASE's numbers, a relaxation of many."""

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from equishare.potential import ModelConfig, Potential, Statistics, save
from equishare.simulate import EquishareCalculator

torch_sim = pytest.importorskip("torch_sim")

from torch_sim.models.interface import validate_model_outputs  # noqa: E402

from equishare.simulate.torchsim import EquishareModel  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def potential():
    config = ModelConfig(channels=4, l_density=2, l_features=1, n_basis=4, n_hidden=4, cutoff=3.0, repulsion="zbl")
    statistics = Statistics(
        reference_energies={"H": -13.6, "C": -1029.0, "O": -430.0, "Mg": -3.0, "Si": -5.0, "Fe": -9.0},
        scale=1.5,
        min_distance={"H-O": 1.1, "H-H": 1.6, "Si-Si": 2.8},
    )
    return Potential(config, statistics).double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_own_check(potential, dtype):
    validate_model_outputs(EquishareModel(potential, dtype=dtype), CPU, dtype)


def test_the_numbers_of_ase(potential, tmp_path):
    save(potential, tmp_path / "model.safetensors")
    model = EquishareModel(tmp_path / "model.safetensors")
    skewed = bulk("Si", "diamond", a=5.5)
    skewed.set_cell(skewed.cell.array + np.array([[0.1, 0.2, 0], [0, -0.1, 0.3], [0, 0, 0.1]]), scale_atoms=True)
    skewed.rattle(0.1)
    frames = [skewed, bulk("Fe", cubic=True)]
    found = model(torch_sim.io.atoms_to_state(frames, CPU, torch.float64))
    calculator = EquishareCalculator(potential)
    for k, atoms in enumerate(frames):
        assert float(found["energy"][k]) == pytest.approx(calculator.get_property("energy", atoms), rel=1e-12)
        atoms.calc = calculator
        np.testing.assert_allclose(found["stress"][k], atoms.get_stress(voigt=False), atol=1e-10)
    np.testing.assert_allclose(found["forces"][:2], skewed.get_forces(), atol=1e-10)


def test_many_are_relaxed_at_once(potential):
    frames = []
    for seed in range(5):
        frames.append(molecule("H2O", vacuum=4.0))
        frames[-1].rattle(0.05, seed=seed)
    state = torch_sim.io.atoms_to_state(frames, CPU, torch.float64)
    done = torch_sim.optimize(
        system=state,
        model=EquishareModel(potential),
        optimizer=getattr(
            torch_sim, "Optimizer", torch_sim.optimizers
        ).fire,  # TorchSim 0.3 knows it by the second name
        convergence_fn=torch_sim.runners.generate_force_convergence_fn(1e-3, include_cell_forces=False),
        max_steps=2000,
    )
    for atoms in torch_sim.io.state_to_atoms(done):
        atoms.calc = EquishareCalculator(potential)
        assert np.abs(atoms.get_forces()).max() < 2e-3
