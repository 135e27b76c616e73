"""The table of layers and features of torch: what every public layer is put to, and what cannot be.

`CASES` builds each layer and its inputs, `FEATURES` holds what is checked, `EXCEPTIONS` the cells that cannot work, with the reason. The test
of the same name runs every cell; `docs/guides/torch.md` shows the table (`python tests/nn/torch_page.py` writes it).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from layer_inputs import (
    as_one_tuple,
    atoms,
    flat_graph,
    graph,
    of_graph,
    of_pairs,
    of_points,
    pair,
    pairs,
    plain,
    points,
    started,
    swapped,
    two_sets,
)
from torch import Tensor
from torch import nn as torch_nn

from equishare import groups, nn

C2, C4, D4, S5, CUBE = groups.cyclic(2), groups.cyclic(4), groups.dihedral(4), groups.symmetric(5), groups.octahedral()
SO4, O3, SO2 = groups.so(4), groups.o3(), groups.so2()
VECTORS = O3.irreps("0e+1o")


@dataclass(frozen=True)
class Case:
    """A layer, and its inputs for a batch size; the first dimension of each tensor is the batch, or as `dynamic` says."""

    make: Callable[[], torch_nn.Module]
    inputs: Callable[[int], tuple[Any, ...]]
    dynamic: Callable[[dict[str, Any]], tuple[Any, ...]] | None = None  # dims of each input, from named ones


class Contraction(torch_nn.Module):
    """A block with a fixed point."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch_nn.Parameter(torch.empty(4, 4))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Small weights."""
        torch_nn.init.normal_(self.weight, std=0.3)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """The next state."""
        return torch.tanh(z @ self.weight + x)


class Placed(torch_nn.Module):
    """A layer on points whose positions and edges are positional, as exporters want them."""

    def __init__(self, conv: torch_nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, positions: Tensor, edge_index: Tensor) -> Tensor:
        """The convolution."""
        return self.conv(x, positions=positions, edge_index=edge_index)


def quiet(make: Callable[[], torch_nn.Module]) -> torch_nn.Module:
    """Without the warning about strides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nn.SymmetryWarning)
        return make()


CASES: dict[str, Case] = {
    "AdaptivePool": Case(lambda: nn.AdaptivePool(2 * C4.regular(), 3), plain(8, 5, 5)),
    "AntialiasedPool": Case(lambda: nn.AntialiasedPool(2 * C4.regular()), plain(8, 5, 5)),
    "AttentionPool": Case(lambda: nn.AttentionPool(8, 2, 2), plain(5, 8)),
    "Bilinear": Case(
        lambda: nn.Bilinear(SO4.defining() + SO4.trivial(), 2 * SO4.defining(), SO4.trivial() + 2 * SO4.defining()),
        lambda batch: (torch.randn(batch, 5), torch.randn(batch, 8)),
    ),
    "ChannelProduct": Case(lambda: nn.ChannelProduct("4x0e+4x1o", None, "4x0e+4x1o+4x2e"), atoms(4, 4)),
    "ChannelProduct, unequal": Case(lambda: nn.ChannelProduct("4x0e+3x1o", "3x0e+2x1o", "2x0e+3x1o+1e"), pair(13, 9)),
    "ChannelTensorProduct": Case(
        lambda: nn.ChannelTensorProduct("4x0e+4x1o", "0e+1o+2e", "0e+1o"), graph(1, 0, 5), of_graph
    ),
    "ChannelTensorProduct, unequal": Case(
        lambda: nn.ChannelTensorProduct("4x0e+2x1o", "0e+1o+2e", "0e+1o"), flat_graph(10, 14), of_graph
    ),
    "DensityConv": Case(lambda: nn.DensityConv("4x0e+4x1o", 2, 3), graph(1, 3), of_graph),
    "DensityConv, unequal": Case(
        lambda: nn.DensityConv("4x0e+2x1o", 2, 3), lambda batch: swapped(flat_graph(10, 3)(batch)), of_graph
    ),
    "EMLP": Case(lambda: nn.EMLP(2 * SO4.defining(), SO4.trivial(), width=16, layers=2), plain(8)),
    "Equilibrium": Case(lambda: nn.Equilibrium(Contraction(), tolerance=1e-7), started, as_one_tuple(2)),
    "FieldAttention": Case(lambda: nn.FieldAttention(2, C4.regular(), 2), plain(8, 5, 5)),
    "FieldBatchNorm": Case(lambda: nn.FieldBatchNorm(2 * C4.regular()), plain(8, 5, 5)),
    "FieldDropout": Case(lambda: nn.FieldDropout(2 * C4.regular()), plain(8, 5, 5)),
    "FieldLayerNorm": Case(lambda: nn.FieldLayerNorm(2 * D4.regular() + D4.defining()), plain(18, 5, 5)),
    "FieldMLP": Case(lambda: nn.FieldMLP(2 * D4.defining(), 3 * D4.trivial() + D4.defining()), plain(4, 5, 5)),
    "FieldRMSNorm": Case(lambda: nn.FieldRMSNorm(2 * C4.regular()), plain(8, 5, 5)),
    "FieldTransformerBlock": Case(lambda: nn.FieldTransformerBlock(C4, 2, heads=2), plain(8, 5, 5)),
    "FieldUpsample": Case(lambda: nn.FieldUpsample(2 * C4.regular(), 2), plain(8, 5, 5)),
    "FourierActivation": Case(lambda: nn.FourierActivation(SO2, 2, 2), plain(10, 5, 5)),
    "FullTensorProduct": Case(lambda: nn.FullTensorProduct("2x0e+1o", "3x1o"), pair(5, 9)),
    "FullyConnectedTensorProduct": Case(
        lambda: nn.FullyConnectedTensorProduct("2x0e+1o", "3x1o", "2x1o+4x0e"), pair(5, 9)
    ),
    "Gate": Case(lambda: nn.Gate("4x0e+4x1o"), atoms(4, 4)),
    "Gate, unequal": Case(lambda: nn.Gate("3x1o+4x0e+2e"), plain(18)),
    "GatedActivation": Case(lambda: nn.GatedActivation(2 * D4.trivial() + 2 * D4.defining()), plain(8, 5, 5)),
    "GlobalPool": Case(lambda: nn.GlobalPool(2 * C4.regular()), plain(8, 5, 5)),
    "GraphLinear": Case(lambda: nn.GraphLinear(3, 2, 4, 3), two_sets),
    "GroupConv1d": Case(lambda: nn.GroupConv1d(C2, 1, 2, 3), plain(2, 7)),
    "GroupConv2d": Case(lambda: nn.GroupConv2d(D4, 1, 2, 3), plain(8, 5, 5)),
    "GroupConv3d": Case(lambda: nn.GroupConv3d(CUBE, 1, 1, 3, lifting=True), plain(1, 3, 3, 3)),
    "GroupConvTranspose1d": Case(lambda: nn.GroupConvTranspose1d(C2, 1, 2, 3), plain(2, 7)),
    "GroupConvTranspose2d": Case(lambda: nn.GroupConvTranspose2d(D4, 1, 2, 4, stride=2, padding=1), plain(8, 5, 5)),
    "GroupConvTranspose3d": Case(
        lambda: nn.GroupConvTranspose3d(CUBE, 1, 1, 2, padding=0, field_out=CUBE.trivial()), plain(24, 3, 3, 3)
    ),
    "GroupPool": Case(lambda: nn.GroupPool(2 * C4.regular()), plain(8, 5, 5)),
    "HashedEmbedding": Case(lambda: nn.HashedEmbedding(20, 4, 9), lambda batch: (torch.randint(20, (batch, 3)),)),
    "HashedLinear": Case(lambda: nn.HashedLinear(6, 4, 9), plain(6)),
    "InducedSetAttentionBlock": Case(lambda: nn.InducedSetAttentionBlock(8, 3, 2), plain(5, 8)),
    "IrrepsLinear": Case(lambda: nn.IrrepsLinear("4x0e+4x1o", "3x0e+3x1o", bias=True), atoms(4, 4)),
    "IrrepsLinear, unequal": Case(lambda: nn.IrrepsLinear("4x0e+2x1o+3x0e", "3x1o+2x0e", bias=True), plain(13)),
    "Iterated": Case(lambda: nn.Iterated(Contraction(), 3), started, as_one_tuple(2)),
    "LocallyConnected1d": Case(lambda: nn.LocallyConnected1d(2, 3, 7, 3), plain(2, 7)),
    "LocallyConnected2d": Case(lambda: nn.LocallyConnected2d(2, 3, 5, 3), plain(2, 5, 5)),
    "NormActivation": Case(lambda: nn.NormActivation(2 * D4.defining()), plain(4, 5, 5)),
    "PermutationLinear": Case(lambda: nn.PermutationLinear(2, 2, 3, 4), plain(5, 5, 3)),
    "PermutationTensorLinear": Case(lambda: nn.PermutationTensorLinear(2, 3, 3, 4), plain(4, 4, 3)),
    "PointAttention": Case(
        lambda: Placed(nn.PointAttention(O3, 2, VECTORS, heads=2, radii=(0.0, 1.0))), points(8), of_points
    ),
    "PointConv": Case(lambda: Placed(nn.PointConv(O3, 1, 2, VECTORS, VECTORS, radii=(0.0, 1.0))), points(4), of_points),
    "PointTransformerBlock": Case(
        lambda: Placed(nn.PointTransformerBlock(O3, 2, VECTORS, heads=2, radii=(0.0, 1.0))), points(8), of_points
    ),
    "PointwiseActivation": Case(lambda: nn.PointwiseActivation(2 * C4.regular(), torch_nn.SiLU()), plain(8, 5, 5)),
    "RadialBasis": Case(lambda: nn.RadialBasis(5.0, 4), lambda batch: (0.5 + 4 * torch.rand(12 * batch),)),
    "Readout": Case(lambda: nn.Readout("4x0e+4x1o", "0e", 6), atoms(4, 4)),
    "Readout, unequal": Case(lambda: nn.Readout("4x0e+2x1o", "1o"), plain(10)),
    "SeparableGroupConv1d": Case(lambda: nn.SeparableGroupConv1d(C2, 1, 2, 3), plain(2, 7)),
    "SeparableGroupConv2d": Case(lambda: nn.SeparableGroupConv2d(C4, 1, 2, 3), plain(4, 5, 5)),
    "SeparableGroupConv3d": Case(lambda: nn.SeparableGroupConv3d(CUBE, 1, 1, 3), plain(24, 3, 3, 3)),
    "Sequential": Case(
        lambda: nn.Sequential(
            nn.GroupConv2d(C4, 1, 2, 3, lifting=True), torch_nn.SiLU(), nn.GroupPool(2 * C4.regular(), "mean")
        ),
        plain(1, 5, 5),
        as_one_tuple(1),
    ),
    "SetAttention": Case(lambda: nn.SetAttention(8, 2), plain(5, 8)),
    "SetAttentionBlock": Case(lambda: nn.SetAttentionBlock(8, 2), plain(5, 8)),
    "SetLinear": Case(lambda: nn.SetLinear(3, 4), plain(5, 3)),
    "SetPool": Case(lambda: nn.SetPool(("sum", "mean", "max", "min", "std")), plain(5, 3)),
    "SharedLinear": Case(lambda: nn.SharedLinear(S5.permutation() + S5.trivial(), 2 * S5.permutation()), plain(6)),
    "Siamese": Case(
        lambda: nn.Siamese(torch_nn.Linear(4, 3)), lambda batch: (torch.randn(batch, 4), torch.randn(batch, 4))
    ),
    "SlotAttention": Case(lambda: nn.SlotAttention(6, 8, 3, initial="learned"), plain(5, 6)),
    "SparseTensorLinear": Case(lambda: nn.SparseTensorLinear(2, 2, 3, 4), pairs, of_pairs),
    "SpatialPool": Case(lambda: quiet(lambda: nn.SpatialPool(2 * C4.regular(), 2)), plain(8, 6, 6)),
    "SphericalHarmonics": Case(
        lambda: nn.SphericalHarmonics(3),
        lambda batch: (torch_nn.functional.normalize(torch.randn(12 * batch, 3), dim=1),),
    ),
    "TensorProduct": Case(lambda: nn.TensorProduct("2x0e+3x1o", "0e+1o", "2x0e+3x1o", mode="uvu"), pair(11, 4)),
    "TensorProductActivation": Case(
        lambda: nn.TensorProductActivation(2, D4.trivial() + D4.defining()), plain(6, 5, 5)
    ),
    "TiedAutoencoder": Case(lambda: nn.TiedAutoencoder([6, 4, 2], torch_nn.Tanh()), plain(6)),
    "TiedEmbedding": Case(lambda: nn.TiedEmbedding(20, 4), lambda batch: (torch.randint(20, (batch, 3)),)),
    "TiedInputLSTM": Case(lambda: nn.TiedInputLSTM(3, 4, batch_first=True), plain(5, 3)),
    "UNet": Case(  # small weights through many layers: large inputs keep the output above rounding
        lambda: nn.UNet(C4, C4.trivial(), C4.defining(), widths=(4, 4)),
        lambda batch: (1e3 * torch.randn(batch, 1, 5, 5),),
    ),
    "UNetBlock": Case(lambda: nn.UNetBlock(2 * C4.regular(), nn.GroupConv2d(C4, 2, 1, 3)), plain(8, 5, 5)),
    "VectorFieldActivation": Case(lambda: nn.VectorFieldActivation(2, C4.regular()), plain(8, 5, 5)),
}


def layer_of(name: str) -> str:
    """The layer of a case, whose name may say more."""
    return name.partition(",")[0]


FEATURES = (
    *("state_dict", "pickle", "deepcopy", "float64", "bfloat16", "float16", "AMP", "compile", "export", "ONNX", "meta"),
    *("reset", "frozen", "strides", "vmap", "ensemble", "jvp", "per-sample gradients", "double backward", "Hessian"),
    *("channels_last", "DDP", "replicas", "empty batch", "wrong shapes", "wrong types"),
    *("wrong precision", "wrong device"),
)

SLOW = {"compile", "export", "ONNX", "DDP"}

# (layer, feature) -> why not
OWN_BLOCK = "what fits is the business of the module that it is given"
UNTIL_CONVERGED = "iterates until it has converged, as its numbers tell; `Iterated` has a fixed depth"

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("Equilibrium", "wrong shapes"): OWN_BLOCK,
    ("Iterated", "wrong shapes"): OWN_BLOCK,
    **{
        (name, feature): OWN_BLOCK
        for name in ("Equilibrium", "Iterated", "Siamese")
        for feature in ("wrong types", "wrong precision", "wrong device")
    },
    ("Equilibrium", "compile"): UNTIL_CONVERGED,
    ("Equilibrium", "export"): UNTIL_CONVERGED,
    ("Equilibrium", "ONNX"): UNTIL_CONVERGED,
    ("Equilibrium", "meta"): UNTIL_CONVERGED,
}
