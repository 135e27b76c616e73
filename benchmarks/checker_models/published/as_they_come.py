"""Models that install from PyPI and are made in one line, as their own front pages show; weights at random."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from checker_models.published.structures import Row, row
from equishare import check

OUT = ("atoms", "positions")


def _cloud(atoms: int, features: int) -> tuple[Tensor, Tensor]:
    return torch.randn(1, atoms, features), torch.randn(1, atoms, 3)


def egnn() -> Iterator[Row]:
    from egnn_pytorch import EGNN, EGNN_Network

    claim, tokens = check.molecule(outputs=OUT), torch.randint(0, 21, (1, 16))
    yield row("EGNN", EGNN(dim=32), _cloud(16, 32), claim)
    guessed = "its positions are read as vectors; the report says that as positions they would pass"
    yield row("EGNN, nothing typed", EGNN(dim=32), _cloud(16, 32), check.molecule(), known="fail", why=guessed)
    yield row("EGNN, 4 nearest neighbours", EGNN(dim=32, num_nearest_neighbors=4), _cloud(16, 32), claim)
    network = EGNN_Network(num_tokens=21, dim=32, depth=2, num_nearest_neighbors=8)
    yield row("EGNN_Network", network, (tokens, torch.randn(1, 16, 3)), claim)
    places = EGNN_Network(num_tokens=21, num_positions=64, dim=32, depth=2, num_nearest_neighbors=8)
    why = "positional embedding of the tokens, by design"
    yield row("EGNN_Network, num_positions=64", places, (tokens, torch.randn(1, 16, 3)), claim, known="fail", why=why)


def en_transformer() -> Iterator[Row]:
    from en_transformer import EnTransformer

    model = EnTransformer(dim=32, depth=2, heads=2, dim_head=32)
    yield row("EnTransformer", model, _cloud(16, 32), check.molecule(outputs=OUT))


def se3_transformer() -> Iterator[Row]:
    from se3_transformer_pytorch import SE3Transformer

    model = SE3Transformer(dim=16, heads=2, depth=1, dim_head=8, num_degrees=2, valid_radius=10, num_neighbors=6)
    given = _cloud(12, 16)
    yield row("SE3Transformer, rotations", model, given, check.molecule(improper=False))
    why = "it is SE(3)-equivariant and claims no reflections"
    yield row("SE3Transformer, reflections too", model, given, check.molecule(), known="fail", why=why)


def equiformer() -> Iterator[Row]:
    from equiformer_pytorch import Equiformer

    model = Equiformer(
        num_tokens=24, dim=(8, 4), dim_head=(4, 4), heads=(2, 2), num_linear_attn_heads=0, num_degrees=2, depth=1,
        attend_self=True, reduce_dim_out=True, num_neighbors=6,
    )  # fmt: skip
    given = torch.randint(0, 24, (1, 12)), torch.randn(1, 12, 3)
    yield row("Equiformer", model, given, check.molecule(outputs={"type0": "atoms", "type1": "vectors"}))


def gvp() -> Iterator[Row]:
    from geometric_vector_perceptron import GVP

    model = GVP(dim_vectors_in=16, dim_feats_in=32, dim_vectors_out=16, dim_feats_out=32)
    types = ("invariant", "vector")
    given = ((torch.randn(1, 32), torch.randn(1, 16, 3)),)
    yield row("GVP", model, given, check.geometric((types,), types))


def point_attention() -> Iterator[Row]:
    from invariant_point_attention import InvariantPointAttention

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = InvariantPointAttention(dim=16, heads=4, pairwise_repr_dim=8)

        def forward(self, h: Tensor, pairs: Tensor, axes: Tensor, pos: Tensor) -> Tensor:
            return self.layer(h, pairs, rotations=axes, translations=pos)

    axes = torch.linalg.qr(torch.randn(1, 10, 3, 3))[0]
    given = torch.randn(1, 10, 16), torch.randn(1, 10, 10, 8), axes, torch.randn(1, 10, 3)
    # the axes of a frame are the rows
    claim = check.molecule({"axes": check.Cartesian(1, along="atoms", axis=1)}, "atoms", improper=False)
    yield row("InvariantPointAttention", Attention(), given, claim)


def neural_operator() -> Iterator[Row]:
    from neuralop.models import FNO

    shifts, x = check.image("C1", translations=True), torch.randn(1, 1, 12, 12)
    made = {"n_modes": (4, 4), "in_channels": 1, "out_channels": 1, "hidden_channels": 8}
    yield row("FNO", FNO(**made, positional_embedding=None), x, shifts)
    why = "coordinates of the grid are appended, by default"
    yield row("FNO, as it comes", FNO(**made), x, shifts, known="fail", why=why)


def torch_nn() -> Iterator[Row]:
    x = torch.randn(2, 12, 8)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    yield row("torch's TransformerEncoderLayer, as a set", layer, x, check.set_(axis=1))
    why = "left and right differ in a recurrent network"
    yield row("torch's GRU, as a set", nn.GRU(8, 8, batch_first=True), x, check.set_(axis=1), known="fail", why=why)
    convolution = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")
    image = torch.randn(1, 3, 12, 12)
    yield row("torch's Conv2d, circular, shifts", convolution, image, check.image("C1", translations=True))
    yield row(
        "torch's Conv2d, turns", convolution, image, check.image("C4"), known="fail", why="its filter is not tied"
    )


def slot_attention() -> Iterator[Row]:
    from slot_attention import MultiHeadSlotAttention, SlotAttention

    class Seeded(nn.Module):
        """The same slots for every call: they start at random."""

        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                return self.layer(x)

    x = torch.randn(2, 10, 16)
    claim = check.set_(outputs="invariant", axis=1)
    yield row("SlotAttention, slots from one seed", Seeded(SlotAttention(num_slots=4, dim=16)), x, claim)
    heads = MultiHeadSlotAttention(num_slots=4, dim=16, heads=2)
    yield row("MultiHeadSlotAttention, slots from one seed", Seeded(heads), x, claim)
    why = "its slots start at random"
    yield row("SlotAttention", SlotAttention(num_slots=4, dim=16), x, claim, known="fail", why=why)


def set_transformer() -> Iterator[Row]:
    from ust import InducedSetAttentionBlock, PoolingByMultiheadSetAttention, SetAttentionBlock

    x, members = torch.randn(2, 10, 16), check.set_(axis=1)
    yield row("SetAttentionBlock", SetAttentionBlock(16, 2).eval(), x, members)
    yield row("InducedSetAttentionBlock", InducedSetAttentionBlock(16, 2, num_slots=4).eval(), x, members)
    pooled = check.set_(outputs="invariant", axis=1)
    yield row("PoolingByMultiheadSetAttention", PoolingByMultiheadSetAttention(16, 2, num_slots=3).eval(), x, pooled)
    why = "dropout, which is on in training mode"
    yield row("SetAttentionBlock, training", SetAttentionBlock(16, 2), x, members, known="fail", why=why)
