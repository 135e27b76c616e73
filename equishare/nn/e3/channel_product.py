"""The channel-wise product of two features."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from equishare.errors import LayerError
from equishare.nn.e3.multiplicities import ChannelLayer
from equishare.nn.feature_types import require_whole
from equishare.ops.channel_product.coupling import Coupling
from equishare.ops.channel_product.operation import channel_product
from equishare.ops.layout import IrrepsLike, Layout
from equishare.sharing.shared_weights import Call, SharedWeight


class ChannelProduct(ChannelLayer):
    r"""Clebsch-Gordan product of two features, channel by channel, with one weight a path and channel.

    .. math:: z_n[l_3 m_3, c] = \sum_{p = (l_1, l_2, l_3)} w_{k(n), p, c}
              \sum_{m_1 m_2} C^{l_1 l_2 l_3}_{m_1 m_2 m_3}\, a_n[l_1 m_1, c]\, b_n[l_2 m_2, c]

    over all paths that O(3) allows, parity included. Equivariant: exact. Called with one argument (``symmetric=True``) it
    is the product of a feature with itself, and lists each unordered pair once. Where multiplicities differ, a path has the channels that all
    three of its irreps have.

    Args:
        irreps_left: Irreps of the first factor.
        irreps_right: Irreps of the second factor; None for the product of a feature with itself.
        irreps_out: Irreps of the product.
        n_kinds: Number of kinds of atoms (species), each with its own path weights.

    Shapes:
        ``[atoms, dim_left, channels]``, ``[atoms, dim_right, channels]``, kind ``[atoms]`` -> ``[atoms, dim_out, channels]``;
        or each of them e3nn's ``[atoms, irreps.dim]``, which irreps of unequal multiplicities need.

    Raises:
        LayerError: if no path leads to a copy of one of the output irreps, an irrep occurs twice, or inputs do not fit each other.

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
        all_irreps = (irreps_left, irreps_left if irreps_right is None else irreps_right, irreps_out)
        channels = max(Layout.of(irreps).channels for irreps in all_irreps)
        self.layout_left, self.layout_right, self.layout_out = (
            replace(Layout.of(irreps), channels=channels) for irreps in all_irreps
        )
        self.rep_in = self.layout_left if irreps_right is None else (self.layout_left, self.layout_right)
        self.rep_out = self.layout_out
        self.coupling = Coupling.of(
            self.layout_left, self.layout_right, self.layout_out, symmetric=irreps_right is None
        )
        left, right, out = (layout.copies for layout in (self.layout_left, self.layout_right, self.layout_out))
        reach = [
            max((min(left[i], right[j]) for i, j, to in self.coupling.paths if to == k), default=0)
            for k in range(len(out))
        ]
        missing = [
            f"{mul}x{ir} (reached: {n})" for n, (mul, ir) in zip(reach, self.layout_out.irreps, strict=True) if n < mul
        ]
        if missing:
            raise LayerError(
                f"no path from {self.layout_left.irreps} x {self.layout_right.irreps}, channel by channel, to all copies of {missing}; "
                "leave those out of irreps_out, or mix channels by FullyConnectedTensorProduct"
            )
        copies = torch.tensor([min(left[i], right[j], out[k]) for i, j, k in self.coupling.paths], device="cpu")
        self._present = torch.arange(channels, device="cpu") < copies[:, None]
        self.weight = nn.Parameter(torch.empty(n_kinds, *self._shape_of_weights(self._present)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights of variance one over the paths that meet in a channel of an irrep."""
        ends = torch.tensor([third for _, _, third in self.coupling.paths], device="cpu")
        meeting = (ends[:, None] == ends).float() @ self._present.float()
        self._draw(self.weight, meeting.clamp(min=1).rsqrt())

    def forward(
        self,
        left: Float[Tensor, "atoms dim_left channels"] | Float[Tensor, "atoms flat_left"],
        right: Float[Tensor, "atoms dim_right channels"] | Float[Tensor, "atoms flat_right"] | None = None,
        kind: Int[Tensor, "atoms"] | None = None,
    ) -> Float[Tensor, "atoms dim_out channels"] | Float[Tensor, "atoms flat_out"]:
        """Multiply."""
        if (right is None) != self.coupling.symmetric:
            raise LayerError("a product of a feature with itself takes one feature, any other product takes two")
        first = self.layout_left.read(left, "left").transpose(0, 1)
        if kind is None:
            if self.weight.shape[0] != 1:
                raise LayerError(f"there are weights for {self.weight.shape[0]} kinds: give the kind of each atom")
            kind = left.new_zeros(left.shape[0], dtype=torch.int64)
        second = first if right is None else self.layout_right.read(right, "right").transpose(0, 1)
        self.require_numbers(first, second, kind=kind)
        out = channel_product(first, second, self._table(self.weight), kind, self.coupling).transpose(0, 1)
        return self.layout_out.write(out, left.ndim == 2)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """A path's weight serves all of its components and every atom of a kind: untied, each pair goes to each component."""
        layouts = self.layout_left, self.layout_right, self.layout_out
        left, right, out = (layout.present_components.sum(0) for layout in layouts)  # of each channel
        pairs = left * (left + 1) // 2 if self.coupling.symmetric else left * right
        copies = self.weight.shape[0] if call is None else call.inputs[0][0]
        return {"weight": SharedWeight(copies * int((pairs * out).sum()), ("components", "atoms"))}
