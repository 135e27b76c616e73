"""Copies of potentials that are run."""

import inspect

import pytest
import torch
from ase.build import molecule

from equishare.devices import DeviceError
from equishare.errors import EquishareError
from equishare.potential import ModelConfig, Potential
from equishare.potential.frozen import frozen


@pytest.fixture
def potential():
    return Potential(
        ModelConfig(channels=4, l_density=1, l_features=1, n_basis=4, n_hidden=4), {"H": -13.6, "O": -430.0}
    )


def test_it_is_a_copy_that_wants_no_gradient(potential):
    own = frozen(potential, "cpu", "float64")
    assert own.dtype == torch.float64
    assert not own.training
    assert not any(weight.requires_grad for weight in own.parameters())
    assert potential.dtype == torch.float32
    assert potential.training
    assert all(weight.requires_grad for weight in potential.parameters())
    assert frozen(potential, torch.device("cpu"), torch.float32).dtype == torch.float32


@pytest.mark.parametrize(
    "bad", [{"device": "tpu"}, {"dtype": torch.float16}, {"dtype": "half"}, {"dtype": torch.int64}]
)
def test_what_it_cannot_be(potential, bad):
    with pytest.raises(DeviceError, match="expected"):
        frozen(potential, **bad)


def test_predictions_are_of_lists(potential):
    predict = inspect.unwrap(Potential.predict)  # without the tests' check of types
    for arguments in ((molecule("H2O"),), ([molecule("H2O")], 0)):
        with pytest.raises(EquishareError, match=r"predict\(\[atoms\]\)"):
            predict(potential, *arguments)
