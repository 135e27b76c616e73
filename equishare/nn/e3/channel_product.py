"""The channel-wise product of two features."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from equishare.errors import LayerError
from equishare.nn.layer import Layer, require_whole
from equishare.ops.channel_product.coupling import Coupling
from equishare.ops.channel_product.operation import channel_product
from equishare.ops.layout import IrrepsLike, Layout, check_features, from_e3nn, to_e3nn
from equishare.sharing.shared_weights import Call, SharedWeight


class ChannelProduct(Layer):
    r"""Clebsch-Gordan product of two features, channel by channel, with one weight a path and channel.

    .. math:: z_n[l_3 m_3, c] = \sum_{p = (l_1, l_2, l_3)} w_{k(n), p, c}
              \sum_{m_1 m_2} C^{l_1 l_2 l_3}_{m_1 m_2 m_3}\, a_n[l_1 m_1, c]\, b_n[l_2 m_2, c]

    over all paths that O(3) allows, parity included. Equivariant: exact. Called with one argument (``symmetric=True``) it
    is the product of a feature with itself, and lists each unordered pair once.

    Args:
        irreps_left: Irreps of the first factor.
        irreps_right: Irreps of the second factor; None for the product of a feature with itself.
        irreps_out: Irreps of the product.
        n_kinds: Number of kinds of atoms (species), each with its own path weights.

    Shapes:
        ``[atoms, dim_left, channels]``, ``[atoms, dim_right, channels]``, kind ``[atoms]`` -> ``[atoms, dim_out, channels]``;
        or each of them e3nn's ``[atoms, irreps.dim]``.

    Raises:
        LayerError: if the channels differ, no path leads to one of the output irreps, or inputs do not fit each other.

    The repeated product of densities follows Drautz, "Atomic cluster expansion" (2019), and Batatia et al., "MACE" (2022).

    >>> square = ChannelProduct("8x0e + 8x1o", None, "8x0e + 8x1o + 8x2e")
    >>> square(torch.randn(5, 4, 8)).shape
    torch.Size([5, 9, 8])
    """

    def __init__(
        self,
        irreps_left: IrrepsLike,
        irreps_right: IrrepsLike | None,
        irreps_out: IrrepsLike,
        n_kinds: int = 1,
    ) -> None:
        super().__init__()
        require_whole(n_kinds=n_kinds)
        self.layout_left, self.layout_out = Layout.of(irreps_left), Layout.of(irreps_out)
        self.layout_right = self.layout_left if irreps_right is None else Layout.of(irreps_right)
        self.rep_in = self.layout_left if irreps_right is None else (self.layout_left, self.layout_right)
        self.rep_out = self.layout_out
        channels = {layout.channels for layout in (self.layout_left, self.layout_right, self.layout_out)}
        if len(channels) != 1:
            raise LayerError(f"both factors and the product need the same number of channels, got {channels}")
        self.coupling = Coupling.of(
            self.layout_left, self.layout_right, self.layout_out, symmetric=irreps_right is None
        )
        reached = {third for _, _, third in self.coupling.paths}
        missing = [str(ir) for k, (_, ir) in enumerate(self.layout_out.irreps) if k not in reached]
        if missing:
            raise LayerError(
                f"no path from {self.layout_left.irreps} x {self.layout_right.irreps} to {missing}; "
                "leave them out of irreps_out"
            )
        self.weight = nn.Parameter(torch.empty(n_kinds, len(self.coupling.paths), channels.pop()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights of variance one over the paths that meet in an irrep."""
        ends = [third for _, _, third in self.coupling.paths]
        counts = torch.tensor([ends.count(end) for end in ends], device=self.weight.device)
        with torch.no_grad():
            self.weight.normal_().mul_(counts.rsqrt()[:, None])

    def forward(
        self,
        left: Float[Tensor, "atoms dim_left channels"] | Float[Tensor, "atoms flat_left"],
        right: Float[Tensor, "atoms dim_right channels"] | Float[Tensor, "atoms flat_right"] | None = None,
        kind: Int[Tensor, "atoms"] | None = None,
    ) -> Float[Tensor, "atoms dim_out channels"] | Float[Tensor, "atoms flat_out"]:
        """Multiply."""
        if left.ndim == 2:
            both = from_e3nn(left, self.layout_left.irreps), right
            if right is not None:
                both = both[0], from_e3nn(right, self.layout_right.irreps)
            return to_e3nn(self.forward(*both, kind), self.layout_out.irreps)
        check_features(left, self.layout_left, "left")
        if (right is None) != self.coupling.symmetric:
            raise LayerError("a product of a feature with itself takes one feature, any other product takes two")
        if right is not None:
            check_features(right, self.layout_right, "right")
        if kind is None:
            if self.weight.shape[0] != 1:
                raise LayerError(f"there are weights for {self.weight.shape[0]} kinds: give the kind of each atom")
            kind = left.new_zeros(left.shape[0], dtype=torch.int64)
        first = left.transpose(0, 1)
        second = first if right is None else right.transpose(0, 1)
        return channel_product(first, second, self.weight, kind, self.coupling).transpose(0, 1)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """A path's weight serves all of its components and every atom of a kind: untied, each pair goes to each component."""
        left, right = self.layout_left.dim, self.layout_right.dim
        pairs = left * (left + 1) // 2 if self.coupling.symmetric else left * right
        copies = self.weight.shape[0] if call is None else call.inputs[0][0]
        entries = copies * pairs * self.layout_out.dim * self.weight.shape[2]
        return {"weight": SharedWeight(entries, ("components", "atoms"))}
