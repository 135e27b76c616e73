import pytest
import torch

from equishare._e3nn import o3
from equishare.nn import IrrepsLinear, Layout, from_e3nn, to_e3nn

IN, OUT = "3x1o+3x0e+3x2e", "2x0e+2x2e"


def dense(layer, irreps_in):
    """The matrix of a linear layer, acting on e3nn's flat features."""
    unit = torch.eye(o3.Irreps(irreps_in).dim, dtype=torch.float64)
    return to_e3nn(layer(from_e3nn(unit, irreps_in)), layer.layout_out.irreps).T.detach()


def test_span_is_every_equivariant_map(orthogonal):
    """Schur's lemma, measured: the layer's weights span the whole space of W with D_out W = W D_in."""
    layer = IrrepsLinear(IN, OUT).double()
    n_in, n_out = o3.Irreps(IN).dim, o3.Irreps(OUT).dim
    rows = []
    for improper in (False, False, True):
        g = orthogonal(improper)
        d_in, d_out = (
            torch.block_diag(*(Layout.of(str(ir)).matrix(g) for mul, ir in o3.Irreps(irreps) for _ in range(mul)))
            for irreps in (IN, OUT)
        )
        rows.append(torch.kron(d_out.contiguous(), torch.eye(n_in)) - torch.kron(torch.eye(n_out), d_in.T.contiguous()))
    singular = torch.linalg.svdvals(torch.cat(rows))
    n_solutions = int((singular < 1e-9).sum()) + n_in * n_out - len(singular)
    base = []
    for k in range(layer.weight.numel()):
        with torch.no_grad():
            layer.weight.zero_()
            layer.weight.view(-1)[k] = 1
        base.append(dense(layer, IN).flatten())
    assert int(torch.linalg.matrix_rank(torch.stack(base))) == layer.weight.numel() == n_solutions


def test_bias_reaches_the_invariants_only():
    layer = IrrepsLinear(IN, OUT, bias=True)
    torch.nn.init.ones_(layer.bias)
    out = layer(torch.zeros(4, 9, 3))
    assert torch.equal(out[:, :1], torch.ones(4, 1, 2))
    assert torch.equal(out[:, 1:], torch.zeros(4, 5, 2))


def test_variance_is_kept():
    out = IrrepsLinear("64x0e+64x1o", "64x0e+64x1o")(torch.randn(500, 4, 64))
    assert out.var().item() == pytest.approx(1, abs=0.1)


def test_no_atoms():
    assert IrrepsLinear(IN, OUT)(torch.zeros(0, 9, 3)).shape == (0, 6, 2)


def test_gradients_in_float64():
    layer = IrrepsLinear(IN, OUT, bias=True).double()
    x = torch.randn(2, 9, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def test_errors():
    with pytest.raises(ValueError, match="1e"):
        IrrepsLinear("4x0e+4x1o", "4x1e")
    with pytest.raises(ValueError, match="0e"):
        IrrepsLinear("4x0e+4x1o", "4x1o", bias=True)
    with pytest.raises(ValueError, match=r"atoms, 9, 3"):
        IrrepsLinear(IN, OUT)(torch.zeros(4, 8, 3))
