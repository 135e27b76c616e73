"""A nonlinearity that respects rotations."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.nn.layer import Layer
from equishare.ops.layout import IrrepsLike, Layout, check_features, from_e3nn, to_e3nn
from equishare.sharing.shared_weights import Call, SharedWeight


class Gate(Layer):
    r"""SiLU on invariants; every other irrep is multiplied by a learned function of the invariants.

    .. math:: y[00] = \mathrm{silu}(x[00]), \qquad y[lm, c] = \sigma\big(\textstyle\sum_d G^{(l)}_{cd} x[00, d] + g^{(l)}_c\big)\, x[lm, c]

    Equivariant under O(3): exact, for the gates are functions of scalars (0e).

    Args:
        irreps: Irreps of input and output, 0e among them.

    Shapes:
        ``[atoms, dim, channels]`` -> ``[atoms, dim, channels]``; or e3nn's ``[atoms, irreps.dim]``, to the same.

    Raises:
        ValueError: if there is no 0e.

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
        channels = self.layout.channels
        self.gates = nn.Linear(channels, len(self._others) * channels) if self._others else None

    def forward(
        self, features: Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"]
    ) -> Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"]:
        """Apply."""
        if features.ndim == 2:
            return to_e3nn(self.forward(from_e3nn(features, self.layout.irreps)), self.layout.irreps)
        check_features(features, self.layout)
        scalars = features[:, self._invariant]
        activated = torch.nn.functional.silu(scalars).unsqueeze(1)
        if self.gates is None:
            return activated
        gates = torch.sigmoid(self.gates(scalars)).unflatten(1, (len(self._others), -1))
        blocks = list(features.split([2 * degree + 1 for degree in self.layout.degrees], dim=1))
        for position, k in enumerate(self._others):
            blocks[k] = blocks[k] * gates[:, position : position + 1]
        blocks[self.layout.starts.index(self._invariant)] = activated
        return torch.cat(blocks, dim=1)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """A gate's weights serve the components of its irrep, on every atom."""
        if self.gates is None:
            return {}
        atoms = 1 if call is None else call.inputs[0][0]
        components = self.layout.dim - 1
        return {
            f"gates.{name}": SharedWeight(
                atoms * components * (p.numel() // len(self._others)), ("components", "atoms")
            )
            for name, p in self.gates.named_parameters()
        }
