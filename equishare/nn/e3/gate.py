"""A nonlinearity that respects rotations."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.nn.e3.multiplicities import ChannelLayer
from equishare.ops.layout import IrrepsLike, Layout
from equishare.sharing.shared_weights import Call, SharedWeight


class Gate(ChannelLayer):
    r"""SiLU on invariants; every other irrep is multiplied by a learned function of the invariants.

    .. math:: y[00] = \mathrm{silu}(x[00]), \qquad y[lm, c] = \sigma\big(\textstyle\sum_d G^{(l)}_{cd} x[00, d] + g^{(l)}_c\big)\, x[lm, c]

    Equivariant under O(3): exact, for the gates are functions of scalars (0e).

    Args:
        irreps: Irreps of input and output, 0e among them.

    Shapes:
        ``[atoms, dim, channels]`` -> ``[atoms, dim, channels]``; or e3nn's ``[atoms, irreps.dim]``, to the same,
        which irreps of unequal multiplicities need.

    Raises:
        LayerError: if there is no 0e, an irrep occurs twice, or an input does not fit.

    From Weiler et al., "3D steerable CNNs" (2018).

    >>> Gate("8x0e + 8x1o")(torch.randn(5, 4, 8)).shape
    torch.Size([5, 4, 8])
    """

    def __init__(self, irreps: IrrepsLike) -> None:
        super().__init__()
        self.layout = Layout.of(irreps)
        self.rep_in = self.rep_out = self.layout
        self._invariant = self.layout.slice("0e").start
        self._others = [k for k, start in enumerate(self.layout.starts) if start != self._invariant]
        self._scalars = self.layout.copies[self.layout.starts.index(self._invariant)]
        self._gated = self._shape_of_weights(self.layout.present[self._others])
        self.gates = nn.Linear(self._scalars, math.prod(self._gated)) if self._others else None
        self.to(torch.get_default_device())

    def forward(
        self, features: Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"]
    ) -> Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"]:
        """Apply."""
        x = self.layout.read(features)
        self.require_numbers(x)
        scalars = x[:, self._invariant]
        activated = torch.nn.functional.silu(scalars).unsqueeze(1)
        if self.gates is None:
            return self.layout.write(activated, features.ndim == 2)
        gates = self._table(torch.sigmoid(self.gates(scalars[:, : self._scalars])).unflatten(1, self._gated))
        blocks = list(x.split([2 * degree + 1 for degree in self.layout.degrees], dim=1))
        for position, k in enumerate(self._others):
            blocks[k] = blocks[k] * gates[:, position : position + 1]
        blocks[self.layout.starts.index(self._invariant)] = activated
        return self.layout.write(torch.cat(blocks, dim=1), features.ndim == 2)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """A gate's weights serve the components of its irrep, on every atom."""
        if self.gates is None:
            return {}
        atoms = 1 if call is None else call.inputs[0][0]
        rows = self.layout.irreps.dim - self._scalars
        return {
            f"gates.{name}": SharedWeight(atoms * rows * (p.numel() // len(p)), ("components", "atoms"))
            for name, p in self.gates.named_parameters()
        }
