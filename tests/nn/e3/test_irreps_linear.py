import pytest
import torch

from equishare._e3nn import o3
from equishare.nn import IrrepsLinear, Layout

IN, OUT = "3x1o+3x0e+3x2e", "2x0e+2x2e"


UNEQUAL = "2x1o+3x0e+1x2e+2x0e", "1x2e+4x0e"


def dense(layer, irreps_in):
    """The matrix of a linear layer, acting on e3nn's flat features."""
    return layer(torch.eye(o3.Irreps(irreps_in).dim, dtype=torch.float64)).T.detach()


@pytest.mark.parametrize(("irreps_in", "irreps_out"), [(IN, OUT), UNEQUAL])
def test_span_is_every_equivariant_map(irreps_in, irreps_out, orthogonal):
    """Schur's lemma, measured: the layer's weights span the whole space of W with D_out W = W D_in."""
    layer = IrrepsLinear(irreps_in, irreps_out).double()
    n_in, n_out = o3.Irreps(irreps_in).dim, o3.Irreps(irreps_out).dim
    rows = []
    for improper in (False, False, True):
        g = orthogonal(improper)
        d_in, d_out = (
            torch.block_diag(*(Layout.of(str(ir)).matrix(g) for mul, ir in o3.Irreps(irreps) for _ in range(mul)))
            for irreps in (irreps_in, irreps_out)
        )
        rows.append(torch.kron(d_out.contiguous(), torch.eye(n_in)) - torch.kron(torch.eye(n_out), d_in.T.contiguous()))
    singular = torch.linalg.svdvals(torch.cat(rows))
    n_solutions = int((singular < 1e-9).sum()) + n_in * n_out - len(singular)
    base = []
    for k in range(layer.weight.numel()):
        with torch.no_grad():
            layer.weight.zero_()
            layer.weight.view(-1)[k] = 1
        base.append(dense(layer, irreps_in).flatten())
    assert int(torch.linalg.matrix_rank(torch.stack(base))) == layer.weight.numel() == n_solutions


def test_bias_reaches_the_invariants_only():
    layer = IrrepsLinear(IN, OUT, bias=True)
    torch.nn.init.ones_(layer.bias)
    out = layer(torch.zeros(4, 9, 3))
    assert torch.equal(out[:, :1], torch.ones(4, 1, 2))
    assert torch.equal(out[:, 1:], torch.zeros(4, 5, 2))


@pytest.mark.parametrize("irreps", ["64x0e+64x1o", "128x0e+32x1o+64x2e"])
def test_variance_is_kept(irreps):
    out = IrrepsLinear(irreps, irreps)(torch.randn(500, o3.Irreps(irreps).dim))
    for block in o3.Irreps(irreps).slices():
        assert out[:, block].var().item() == pytest.approx(1, abs=0.1)


def test_the_report_counts_what_a_dense_map_of_these_copies_would_have():
    layer = IrrepsLinear(*UNEQUAL).double()
    shared = layer.shared_weights()["weight"]
    assert shared.untied == 16 * 9
    generator = torch.Generator().manual_seed(0)
    matrix = shared.pattern.expand(torch.randn(layer.weight.numel(), generator=generator, dtype=torch.float64))
    assert matrix.shape == (9, 16)
    assert int((matrix != 0).sum()) == 5 * 1 + 4 * 5  # components of 2e, and 0e from two entries


def test_no_atoms():
    assert IrrepsLinear(IN, OUT)(torch.zeros(0, 9, 3)).shape == (0, 6, 2)


def test_gradients_in_float64():
    layer = IrrepsLinear(IN, OUT, bias=True).double()
    x = torch.randn(2, 9, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def test_errors():
    with pytest.raises(ValueError, match="1e"):
        IrrepsLinear("4x0e+4x1o", "4x1e")
    for irreps in ("4x1o", "4x0e+2x0e"):
        with pytest.raises(ValueError, match="one entry 0e"):
            IrrepsLinear("4x0e+4x1o", irreps, bias=True)
    with pytest.raises(ValueError, match=r"atoms, 9, 3"):
        IrrepsLinear(IN, OUT)(torch.zeros(4, 8, 3))
