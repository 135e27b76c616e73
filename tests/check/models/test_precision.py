import pytest
import torch
from torch import nn

from equishare.check.models.arguments import argument_names
from equishare.check.models.precision import (
    isolated_rng,
    module_of,
    private_copy,
)
from equishare.check.models.stochastic_arithmetic import StochasticArithmetic


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scatter_has_the_size_of_rounding(dtype):
    x = torch.rand(2000, dtype=dtype, generator=torch.Generator().manual_seed(0))
    with StochasticArithmetic(dtype, 0):
        y = x * 3
    scatter = ((y - 3 * x) / (3 * x)).square().mean().sqrt() / torch.finfo(dtype).eps
    assert 0.3 < scatter < 1.2


def test_exact_operations_and_integers_are_left_alone():
    x = torch.rand(10)
    with StochasticArithmetic(torch.float32, 0):
        assert torch.equal(x.flip(0).clone()[torch.arange(10)], x.flip(0))
        assert torch.equal(torch.arange(4) + 1, torch.tensor([1, 2, 3, 4]))


def test_half_precision_is_not_hidden():
    x = torch.rand(100).half()
    with StochasticArithmetic(torch.float32, 0):
        y = x * 2
    assert torch.equal(y, 2 * x)


def test_backward_is_perturbed_too():
    def gradient(seed):
        x = torch.ones(50, requires_grad=True)
        with StochasticArithmetic(torch.float32, seed):
            return torch.autograd.grad((x * x.exp()).sum(), x)[0]

    assert 0 < (gradient(0) - gradient(1)).abs().max() < 1e-5


def test_copies_leave_the_original():
    model = nn.Linear(2, 2)
    assert next(private_copy(model, torch.float64).parameters()).dtype == torch.float64
    assert model.weight.dtype == torch.float32
    bound = private_copy(model.forward, torch.float64)
    assert bound(torch.ones(2, dtype=torch.float64)).dtype == torch.float64
    assert module_of(model.forward) is model
    assert module_of(torch.sin) is None


def test_the_random_state_is_kept():
    before = torch.random.get_rng_state()
    with isolated_rng():
        torch.rand(3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_names_of_arguments():
    assert argument_names(lambda z, pos: pos, 3) == ["z", "pos", "2"]
    assert argument_names(nn.Linear(1, 1), 1) == ["input"]
