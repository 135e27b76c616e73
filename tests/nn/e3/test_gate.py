import pytest
import torch

from equishare.nn import Gate


def test_formula():
    gate = Gate("3x1o+3x0e+3x2e").double()
    x = torch.randn(4, 9, 3, dtype=torch.float64)
    gates = torch.sigmoid(x[:, 3] @ gate.gates.weight.T + gate.gates.bias)
    out = gate(x)
    assert torch.allclose(out[:, 3], torch.nn.functional.silu(x[:, 3]))
    assert torch.allclose(out[:, :3], gates[:, None, :3] * x[:, :3])
    assert torch.allclose(out[:, 4:], gates[:, None, 3:] * x[:, 4:])


def test_formula_of_unequal_multiplicities():
    gate = Gate("2x1o+3x0e+1x2e").double()
    assert gate.gates.weight.shape == (3, 3)
    x = torch.randn(4, 14, dtype=torch.float64)
    scalars = x[:, 6:9]
    gates = torch.sigmoid(gate.gates(scalars)).repeat_interleave(torch.tensor([3, 3, 5]), dim=1)
    out = gate(x)
    torch.testing.assert_close(out[:, 6:9], torch.nn.functional.silu(scalars))
    torch.testing.assert_close(out[:, [*range(6), *range(9, 14)]], gates * x[:, [*range(6), *range(9, 14)]])


def test_invariants_alone():
    x = torch.randn(4, 1, 3)
    assert torch.equal(Gate("3x0e")(x), torch.nn.functional.silu(x))


def test_errors():
    with pytest.raises(ValueError, match="0e is not among"):
        Gate("4x1o")
    with pytest.raises(ValueError, match=r"atoms, 4, 8"):
        Gate("8x0e+8x1o")(torch.zeros(2, 4, 7))
