"""The E(3) layers, what they take and give, and how a turn acts on it: the table of `e3/test_symmetry.py`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equishare._e3nn import o3
from equishare.nn import (
    ChannelProduct,
    ChannelTensorProduct,
    DensityConv,
    FullTensorProduct,
    FullyConnectedTensorProduct,
    Gate,
    IrrepsLinear,
    Layout,
    RadialBasis,
    Readout,
    SphericalHarmonics,
    TensorProduct,
)

N_ATOMS, N_EDGES = 7, 23


@dataclass(frozen=True)
class Slot:
    """One input or the output: what it belongs to and how O(3) acts on it."""

    axis: str  # "atom" or "edge"
    irreps: str = ""  # of e3nn; "" for plain numbers
    layout: str = "flat"  # "channels": [n, (l, m), channel]; "flat": e3nn's [n, irreps.dim]; "number": [n, *shape]
    shape: tuple[int, ...] = ()

    def draw(self) -> Tensor:
        n = N_ATOMS if self.axis == "atom" else N_EDGES
        if self.layout == "channels":
            layout = Layout.of(self.irreps, repeats=True)
            return torch.randn(n, layout.dim, layout.channels, dtype=torch.float64)
        if self.layout == "number":
            return 0.5 + 5 * torch.rand(n, *self.shape, dtype=torch.float64)
        if self.layout == "unit":
            return nn.functional.normalize(torch.randn(n, 3, dtype=torch.float64), dim=1)
        return torch.randn(n, o3.Irreps(self.irreps).dim, dtype=torch.float64)

    def act(self, x: Tensor, g: Tensor) -> Tensor:
        if self.layout == "channels":
            return torch.einsum("ij,njc->nic", Layout.of(self.irreps, repeats=True).matrix(g), x.double())
        if self.layout == "unit":
            return x.double() @ g.T
        if self.layout == "number":
            return x.double()
        blocks = [Layout.of(str(ir)).matrix(g) for mul, ir in o3.Irreps(self.irreps) for _ in range(mul)]
        return x.double() @ torch.block_diag(*blocks).T


KIND, EDGES = Slot("atom", layout="kind"), Slot("edge", layout="edges")


@dataclass(frozen=True)
class Case:
    layer: type[nn.Module]
    make: Callable[[], nn.Module]
    inputs: tuple[Slot, ...]
    out: Slot


def atoms(irreps: str) -> Slot:
    return Slot("atom", irreps, "channels")


# Unusual parities (0o, 1e) and orders (1o before 0e) are in, wherever the layer takes them.
CASES = {
    "harmonics": Case(
        SphericalHarmonics,
        lambda: SphericalHarmonics(4),
        (Slot("edge", "1o", "unit"),),
        Slot("edge", "0e+1o+2e+3o+4e"),
    ),
    "radial": Case(RadialBasis, lambda: RadialBasis(5.0, 6), (Slot("edge", "", "number"),), Slot("edge", "6x0e")),
    "linear": Case(
        IrrepsLinear,
        lambda: IrrepsLinear("5x0e+5x1o+5x2e", "3x0e+3x1o+3x2e"),
        (atoms("5x0e+5x1o+5x2e"),),
        atoms("3x0e+3x1o+3x2e"),
    ),
    "linear with bias, part of the irreps, other order": Case(
        IrrepsLinear,
        lambda: with_bias(IrrepsLinear("4x1o+4x0o+4x2e+4x0e", "3x2e+3x0e+3x0o", bias=True)),
        (atoms("4x1o+4x0o+4x2e+4x0e"),),
        atoms("3x2e+3x0e+3x0o"),
    ),
    "linear, unequal multiplicities": Case(
        IrrepsLinear,
        lambda: with_bias(IrrepsLinear("5x0e+3x1o+2x1e+4x0e", "2x1e+3x0e+4x1o+1x1o", bias=True)),
        (Slot("atom", "5x0e+3x1o+2x1e+4x0e"),),
        Slot("atom", "2x1e+3x0e+4x1o+1x1o"),
    ),
    "density, unequal multiplicities": Case(
        DensityConv,
        lambda: DensityConv("5x0e+3x1o+1x2e", 3, 5),
        (Slot("atom", "5x0e+3x1o+1x2e"), Slot("edge", "5x0e"), Slot("edge", "0e+1o+2e+3o"), EDGES),
        Slot("atom", "5x0e+5x1o+5x2e+5x3o"),
    ),
    "product, unequal multiplicities": Case(
        ChannelProduct,
        lambda: ChannelProduct("5x0e+3x1o+1x0o", "4x0e+2x1o", "4x0e+3x1o+1x1e+2x2e"),
        (Slot("atom", "5x0e+3x1o+1x0o"), Slot("atom", "4x0e+2x1o")),
        Slot("atom", "4x0e+3x1o+1x1e+2x2e"),
    ),
    "product with itself, unequal multiplicities": Case(
        ChannelProduct,
        lambda: ChannelProduct("5x0e+3x1o+1x2e", None, "5x0e+3x1o+3x2e"),
        (Slot("atom", "5x0e+3x1o+1x2e"),),
        Slot("atom", "5x0e+3x1o+3x2e"),
    ),
    "tensor product of neighbours, unequal multiplicities": Case(
        ChannelTensorProduct,
        lambda: ChannelTensorProduct("4x0e+1x1o", "0e+1o", "0e+1o"),
        (Slot("atom", "4x0e+1x1o"), Slot("edge", "0e+1o"), Slot("edge", "10x0e"), EDGES),
        Slot("atom", "4x0e+1x0e+4x1o+1x1o"),
    ),
    "gate, unequal multiplicities": Case(
        Gate,
        lambda: Gate("2x1o+4x0e+3x0o+1x2e"),
        (Slot("atom", "2x1o+4x0e+3x0o+1x2e"),),
        Slot("atom", "2x1o+4x0e+3x0o+1x2e"),
    ),
    "readout, unequal multiplicities": Case(
        Readout, lambda: Readout("4x1o+2x0e", "0e", 6), (Slot("atom", "4x1o+2x0e"),), Slot("atom", "0e")
    ),
    "density of scalars": Case(
        DensityConv,
        lambda: DensityConv("4x0e", 3, 5, normalization=2.0),
        (atoms("4x0e"), Slot("edge", "5x0e"), Slot("edge", "0e+1o+2e+3o"), EDGES),
        atoms("4x0e+4x1o+4x2e+4x3o"),
    ),
    "density of features": Case(
        DensityConv,
        lambda: DensityConv("4x0e+4x1o+4x2e", 2, 5),
        (atoms("4x0e+4x1o+4x2e"), Slot("edge", "5x0e"), Slot("edge", "0e+1o+2e"), EDGES),
        atoms("4x0e+4x1o+4x2e"),
    ),
    "product": Case(
        ChannelProduct,
        lambda: ChannelProduct("4x0e+4x1o+4x2e", "4x0e+4x1o", "4x0e+4x1o+4x2e"),
        (atoms("4x0e+4x1o+4x2e"), atoms("4x0e+4x1o")),
        atoms("4x0e+4x1o+4x2e"),
    ),
    "product with itself": Case(
        ChannelProduct,
        lambda: ChannelProduct("4x0e+4x1o+4x2e+4x3o", None, "4x0e+4x1o+4x2e"),
        (atoms("4x0e+4x1o+4x2e+4x3o"),),
        atoms("4x0e+4x1o+4x2e"),
    ),
    "product of unusual parities, by kind": Case(
        ChannelProduct,
        lambda: ChannelProduct("4x1o+4x0o", "4x1e+4x2o", "4x1o+4x0o+4x2e", n_kinds=3),
        (atoms("4x1o+4x0o"), atoms("4x1e+4x2o"), KIND),
        atoms("4x1o+4x0o+4x2e"),
    ),
    "tensor product of neighbours": Case(
        ChannelTensorProduct,
        lambda: ChannelTensorProduct("4x0e+4x1o", "0e+1o+2e+3o", "4x0e+4x1o+4x2e+4x3o"),
        (atoms("4x0e+4x1o"), Slot("edge", "0e+1o+2e+3o"), Slot("edge", layout="number", shape=(10, 4)), EDGES),
        atoms("4x0e+4x0e+4x1o+4x1o+4x1o+4x2e+4x2e+4x2e+4x3o+4x3o"),
    ),
    "tensor product of unusual parities": Case(
        ChannelTensorProduct,
        lambda: ChannelTensorProduct("4x2e+4x1e+4x0o", "1o+2e", "4x1o+4x1e"),
        (atoms("4x2e+4x1e+4x0o"), Slot("atom", "1o+2e"), Slot("atom", layout="number", shape=(5, 4))),
        atoms("4x1o+4x1o+4x1e+4x1e+4x1e"),
    ),
    "linear map of repeated irreps": Case(
        IrrepsLinear,
        lambda: IrrepsLinear("4x0e+4x1o+4x1o+4x0e", "3x1o+3x0e"),
        (atoms("4x0e+4x1o+4x1o+4x0e"),),
        atoms("3x1o+3x0e"),
    ),
    "gate": Case(
        Gate, lambda: Gate("4x1o+4x0e+4x0o+4x2e"), (atoms("4x1o+4x0e+4x0o+4x2e"),), atoms("4x1o+4x0e+4x0o+4x2e")
    ),
    "all products, unequal multiplicities": Case(
        FullyConnectedTensorProduct,
        lambda: FullyConnectedTensorProduct("3x0e+2x1o+1e", "1o+2x2e+0o", "2x0e+3x1o+1e+2x2o"),
        (Slot("atom", "3x0e+2x1o+1e"), Slot("atom", "1o+2x2e+0o")),
        Slot("atom", "2x0e+3x1o+1e+2x2o"),
    ),
    "chosen products with weights of each edge": Case(
        TensorProduct,
        lambda: TensorProduct("3x0e+2x1o", "0e+1o+2e", "3x1o+2x0e", [(0, 1, 0), (1, 1, 1)], "uvu", "given"),
        (Slot("edge", "3x0e+2x1o"), Slot("edge", "0e+1o+2e"), Slot("edge", "5x0e")),
        Slot("edge", "3x1o+2x0e"),
    ),
    "copy by copy": Case(
        TensorProduct,
        lambda: TensorProduct("4x1o+4x2e", "4x1o", "4x0e+4x1e+4x2o", mode="uuu"),
        (Slot("atom", "4x1o+4x2e"), Slot("atom", "4x1o")),
        Slot("atom", "4x0e+4x1e+4x2o"),
    ),
    "the whole tensor product": Case(
        FullTensorProduct,
        lambda: FullTensorProduct("2x0e+3x1o+1e", "1o+2x2e"),
        (Slot("atom", "2x0e+3x1o+1e"), Slot("atom", "1o+2x2e")),
        Slot("atom", "1x0o+3x0e+9x1o+5x1e+7x2o+9x2e+6x3o+2x3e"),
    ),
    "readout of a vector": Case(Readout, lambda: Readout("4x0e+4x1o", "1o"), (atoms("4x0e+4x1o"),), Slot("atom", "1o")),
    "readout of a number": Case(
        Readout, lambda: Readout("4x1o+4x0e", "0e", 6), (atoms("4x1o+4x0e"),), Slot("atom", "0e")
    ),
}


def with_bias(layer: IrrepsLinear) -> IrrepsLinear:
    nn.init.normal_(layer.bias)
    return layer
