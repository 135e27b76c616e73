"""Types of results, and nothing global or of the caller's changed by a prediction."""

import numpy as np
import pytest
import torch

from equishare.potential import ModelConfig, Potential, collate, from_atoms


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_types(make_potential, ethanol, dtype):
    potential = make_potential(dtype, heads=("dipole",))
    prediction = potential(collate([from_atoms(ethanol, potential.cutoff)]), stress=True)
    for name in ("interaction_energy", "forces", "stress", "dipole", "charges"):
        assert getattr(prediction, name).dtype == dtype
    assert prediction.energy.dtype == prediction.node_energy.dtype == torch.float64
    assert torch.allclose(prediction.node_energy.sum(), prediction.energy[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_prediction_changes_nothing(make_potential, ethanol, dtype):
    potential = make_potential(dtype).train()
    weights = {name: w.clone() for name, w in potential.state_dict().items()}
    positions, global_numpy = ethanol.positions.copy(), np.random.get_state()[1].copy()
    state = torch.random.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    potential.predict([ethanol])
    potential.calculator(dtype=torch.float64).get_potential_energy(ethanol)
    assert torch.equal(torch.random.get_rng_state(), state[0])
    assert (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()) == state[1:]
    assert np.array_equal(np.random.get_state()[1], global_numpy)
    assert potential.training
    assert potential.dtype == dtype
    assert all(w.grad is None and w.requires_grad for w in potential.parameters())
    assert all(torch.equal(w, weights[name]) for name, w in potential.state_dict().items())
    assert np.array_equal(ethanol.positions, positions)


def test_another_default_dtype_changes_nothing(make_potential, ethanol):
    """Under ``torch.set_default_dtype(float64)``, as MACE sets it, a float32 potential stays float32."""
    potential = make_potential(torch.float32, heads=("dipole",))
    (before,) = potential.predict([ethanol], stress=True)
    torch.set_default_dtype(torch.float64)
    try:
        (after,) = potential.predict([ethanol], stress=True)
    finally:
        torch.set_default_dtype(torch.float32)
    assert after["forces"].dtype == np.float32
    assert np.array_equal(before["forces"], after["forces"])


def test_same_input_same_bits(potential, ethanol):
    first, second = (potential.predict([ethanol])[0] for _ in range(2))
    assert np.array_equal(first["forces"], second["forces"])
    assert first["energy"] == second["energy"]


@pytest.mark.parametrize("reference", [{}, {"Xy": 1.0}])
def test_needs_elements(reference):
    with pytest.raises(ValueError, match="at least one element"):
        Potential(ModelConfig.preset("small"), reference)
