import pytest
import torch

from equishare.nn import Readout


def test_linear_readout_sums_the_channels():
    readout = Readout("5x0e+5x1o+5x2e", "2e").double()
    x = torch.randn(3, 9, 5, dtype=torch.float64)
    assert torch.allclose(readout(x), torch.einsum("nkc,c->nk", x[:, 4:], readout.read.weight[0]))


def test_mlp_reads_the_invariants_only():
    readout = Readout("5x1o+5x0e", "0e", 7).double()
    x = torch.randn(3, 4, 5, dtype=torch.float64)
    other = x.clone()
    other[:, :3] = 0
    assert torch.equal(readout(x), readout(other))
    assert torch.allclose(readout(x)[:, 0], readout.read(x[:, 3])[:, 0])


def test_errors():
    with pytest.raises(ValueError, match="not equivariant"):
        Readout("4x0e+4x1o", "1o", n_hidden=8)
    with pytest.raises(ValueError, match="2e is not among"):
        Readout("4x0e+4x1o", "2e")
