"""From features to per-atom quantities."""

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from equishare._e3nn import o3
from equishare.errors import LayerError
from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer
from equishare.ops.layout import IrrepsLike, Layout
from equishare.sharing.shared_weights import Call, SharedWeight, used_again


class Readout(Layer):
    r"""Per-atom quantity of one irrep: a linear map of its channels, or for 0e an MLP.

    .. math:: q_i[m] = \sum_c w_c\, x_i[lm, c] \qquad\text{or}\qquad q_i = w \cdot \mathrm{silu}(W x_i[00] + b)

    Equivariant under O(3): exact.

    Args:
        irreps: Irreps of the features.
        irrep: What to read, such as "0e" (a number an atom) or "1o" (a vector an atom).
        n_hidden: Width of the MLP (0e only); None for a linear map.

    Shapes:
        ``[atoms, dim, channels]``, or e3nn's ``[atoms, irreps.dim]`` -> ``[atoms, 2 l + 1]``.

    Raises:
        LayerError: if the irrep is not among the features', or an MLP is asked for another irrep than 0e.

    >>> import torch
    >>> Readout("8x0e + 8x1o", "1o")(torch.randn(5, 4, 8)).shape
    torch.Size([5, 3])
    """

    def __init__(self, irreps: IrrepsLike, irrep: str, n_hidden: int | None = None) -> None:
        super().__init__()
        self.layout = Layout.of(irreps)
        self.rep_in, self.rep_out = self.layout, Layout.of(irrep)
        self.irrep = o3.Irrep(irrep)
        self.components = self.layout.slice(irrep)
        self.copies = self.layout.irreps.count(self.irrep)
        if n_hidden is None:
            self.read: nn.Module = nn.Linear(self.copies, 1, bias=False)
        elif irrep == "0e":
            require_whole(n_hidden=n_hidden)
            self.read = nn.Sequential(nn.Linear(self.copies, n_hidden), nn.SiLU(), nn.Linear(n_hidden, 1, bias=False))
        else:
            raise LayerError(f"an MLP reads invariants (0e) only, got {irrep}: a nonlinearity on it is not equivariant")

    @property
    def n_inputs(self) -> int:
        """How many numbers the linear map at the end reads."""
        return self.last.in_features

    @property
    def last(self) -> nn.Linear:
        """The linear map at the end."""
        return cast(nn.Linear, self.read[-1] if isinstance(self.read, nn.Sequential) else self.read)

    def inputs(
        self, features: Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"]
    ) -> Float[Tensor, "atoms components inputs"]:
        """What the linear map at the end reads."""
        self.require_numbers(features)
        own = self.layout.read(features)[:, self.components, : self.copies]
        return self.read[:-1](own) if isinstance(self.read, nn.Sequential) else own

    def forward(
        self, features: Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"]
    ) -> Float[Tensor, "atoms components"]:
        """Read."""
        return self.last(self.inputs(features)).squeeze(2)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """Each weight serves every atom, that of an irrep all of its components: untied, each reads each."""
        atoms = 1 if call is None else call.inputs[0][0]
        if isinstance(self.read, nn.Sequential):
            return used_again(self.read, "read", atoms, "atoms")
        entries = self.irrep.dim * self.layout.irreps.dim
        return {"read.weight": SharedWeight(atoms * entries, ("components", "atoms"))}
