"""Layers and networks of e3nn, PyG and escnn, weights at random."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from checker_models.published.structures import Row, row, structure
from equishare import check


def e3nn() -> Iterator[Row]:
    from equishare._e3nn import o3

    irreps = "8x0e+8x1o+4x2e"
    x = torch.randn(20, o3.Irreps(irreps).dim)
    two = check.geometric((f"atoms: {irreps}",) * 2, f"atoms: {irreps}")
    yield row("Linear", o3.Linear(irreps, irreps), x, check.geometric(f"atoms: {irreps}", f"atoms: {irreps}"))
    product = o3.FullyConnectedTensorProduct(irreps, irreps, irreps)
    yield row("FullyConnectedTensorProduct", product, (x, x), two)
    yield row(
        "the same, float64 from float32 constants",
        product,
        (x, x),
        two,
        known="undecided",
        why="constants rounded to float32",
        dtype=torch.float64,
    )
    from e3nn.nn import Gate

    gate = Gate("8x0e", [torch.tanh], "12x0e", [torch.sigmoid], "8x1o+4x2e")
    wide = torch.randn(20, gate.irreps_in.dim)
    claim = check.geometric(f"atoms: {gate.irreps_in}", f"atoms: {gate.irreps_out}")
    yield row("Gate", gate, wide, claim)


def pyg() -> Iterator[Row]:
    import torch_geometric.nn.models as models
    import torch_geometric.nn.models.dimenet as dimenet
    import torch_geometric.nn.models.visnet as visnet

    def radius_graph(x: Tensor, r: float, batch: Any = None, loop: bool = False, **_: Any) -> Tensor:
        """PyG's own needs a compiled extension."""
        near = torch.cdist(x, x) < r
        if not loop:
            near = near & ~torch.eye(len(x), dtype=torch.bool)
        return torch.nonzero(near).T.flip(0).contiguous()

    dimenet.radius_graph = visnet.radius_graph = radius_graph
    atoms = structure()
    z, pos = torch.tensor(atoms.numbers), torch.tensor(atoms.positions, dtype=torch.float32)
    batch = torch.zeros(len(z), dtype=torch.long)
    claim = check.molecule(("species", "positions", "batch"), "energy")

    def graph(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        edges = radius_graph(pos, 5.0)
        return edges, (pos[edges[0]] - pos[edges[1]]).norm(dim=-1)

    schnet = models.SchNet(64, 64, 3, interaction_graph=graph)
    yield row("SchNet", schnet, (z, pos, batch), claim)

    def triplets(edge_index: Tensor, num_nodes: int) -> tuple[Tensor, ...]:
        """Triplets k -> j -> i for every pair of edges that share j, without torch-sparse."""
        j, i = edge_index
        ji, kj = torch.nonzero((j[:, None] == i[None]) & (i[:, None] != j[None]), as_tuple=True)
        return i, j, i[ji], j[ji], j[kj], kj, ji

    dimenet.triplets = triplets
    for name, out in (
        ("DimeNet++", "glorot_orthogonal"),
        ("DimeNet++ with zero output weights (its default)", "zeros"),
    ):
        model = models.DimeNetPlusPlus(32, 1, 2, 16, 8, 32, 4, 4, output_initializer=out)
        zero = out == "zeros"
        known, why = ("undecided", "its output is constant") if zero else ("pass", "")
        yield row(name, model, (z, pos, batch), claim, known=known, why=why)
    for lmax in (1, 2):
        model = models.ViSNet(lmax=lmax, num_layers=2, hidden_channels=32, num_heads=4, derivative=False)
        outputs = ("energy", None)
        yield row(f"ViSNet, l = {lmax}", model, (z, pos, batch), check.molecule(claim.inputs, outputs))

    class EGNN(nn.Module):
        """E(n)-equivariant layer of Satorras et al. 2021, two of them, plain torch."""

        def __init__(self) -> None:
            super().__init__()
            self.message = nn.ModuleList(nn.Sequential(nn.Linear(33, 16), nn.SiLU()) for _ in range(2))
            self.move = nn.ModuleList(nn.Linear(16, 1) for _ in range(2))
            self.embed = nn.Embedding(10, 16)

        def forward(self, z: Tensor, pos: Tensor) -> Tensor:
            h = self.embed(z)
            for message, move in zip(self.message, self.move, strict=True):
                d = pos[:, None] - pos[None]
                pairs = torch.cat([h[:, None].expand(-1, len(z), -1), h[None].expand(len(z), -1, -1)], -1)
                m = message(torch.cat([pairs, d.square().sum(-1, keepdim=True)], -1))
                pos = pos + (d * move(m)).mean(1)
                h = h + m.sum(1)
            return pos

    yield row("EGNN", EGNN(), (z, pos), check.molecule(("species", "positions"), "positions"))


def escnn() -> Iterator[Row]:
    from escnn import gspaces
    from escnn import nn as enn

    def network(stride: int) -> tuple[nn.Module, Any]:
        space = gspaces.rot2dOnR2(4)
        image, hidden = (
            enn.FieldType(space, [space.trivial_repr]),
            enn.FieldType(space, 4 * [space.regular_repr]),
        )
        layers = [
            enn.R2Conv(image, hidden, 3, padding=1),
            enn.ReLU(hidden),
            enn.R2Conv(hidden, hidden, 3, padding=1, stride=stride),
            enn.ReLU(hidden),
            enn.GroupPooling(hidden),
        ]
        return enn.SequentialModule(*layers), enn.GeometricTensor(torch.randn(2, 1, 12, 12), image)

    for name, stride in (("C4 CNN", 1), ("C4 CNN with stride 2 on 12 pixels", 2)):
        model, inputs = network(stride)
        known, why = ("fail", "the grid is read off centre") if stride > 1 else ("pass", "")
        yield row(name, model, inputs, check.image("C4"), known=known, why=why)
