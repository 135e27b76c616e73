"""The linear layer between any two representations."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.groups.representation import Representation
from equishare.nn.fields.initialisation import gain_after, spectral_scales
from equishare.nn.layer import FieldLayer
from equishare.sharing.block_pattern import BlockPattern
from equishare.sharing.shared_weights import Call, SharedWeight
from equishare.sharing.solver import solve


class SharedLinear(FieldLayer):
    """y = W x + b with W all that commutes with the group and b all that it leaves alone.

    W rho_in(g) = rho_out(g) W and rho_out(g) b = b. Law: f(rho_in(g) x) = rho_out(g) f(x), exact. The
    channels are the last dimension, as in ``torch.nn.Linear``. Between sums of irreps, such as e3nn's with any multiplicities, weights mix
    copies field by field, so that no dense matrix is made where that would cost more.

    Args:
        rep_in: representation of the input, of size ``rep_in.size``.
        rep_out: representation of the output.
        bias: whether to add an invariant vector.
        device: where the weights live.
        dtype: their precision.

    Shapes:
        ``[..., rep_in.size]`` -> ``[..., rep_out.size]``.

    Raises:
        SharingError: the groups of the representations differ.
        LayerError: an input's last dimension is not ``rep_in.size``.

    >>> from equishare import groups, nn
    >>> G = groups.dihedral(4)
    >>> layer = nn.SharedLinear(3 * G.regular() + G.trivial(), G.regular())
    >>> layer.weight.shape, layer(torch.zeros(2, 25)).shape
    (torch.Size([25]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(rep_in, rep_out)
        self.pattern = solve(rep_in, rep_out)
        self.bias_pattern = solve(rep_in.group.trivial(), rep_out)
        self.weight = nn.Parameter(torch.empty(self.pattern.n_free, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(self.bias_pattern.n_free, dtype=dtype)) if bias else None
        self.scales = spectral_scales(self.pattern) * gain_after(rep_out)
        self.reset_parameters()
        self.to(torch.get_default_device() if device is None else device)

    def reset_parameters(self) -> None:
        """Draw base weights that keep the variance of the features; the bias is zero."""
        with torch.no_grad():
            self.weight.copy_(torch.randn_like(self.weight) * self.scales.to(self.weight))
            if self.bias is not None:
                self.bias.zero_()

    def full_weight(self) -> Float[Tensor, "out in"]:
        """The expanded matrix."""
        return self.pattern.expand(self.weight)

    def full_bias(self) -> Float[Tensor, " out"] | None:
        """The expanded bias."""
        return None if self.bias is None else self.bias_pattern.expand(self.bias)[:, 0]

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """The linear map."""
        self._check_last(x)
        if isinstance(self.pattern, BlockPattern) and self.pattern.pays:
            out, bias = self.pattern.multiply(self.weight, x), self.full_bias()
            return out if bias is None else out + bias
        return functional.linear(x, self.full_weight(), self.full_bias())

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The patterns of weight and bias."""
        found = {"weight": SharedWeight.of(self.pattern)}
        if self.bias is not None:
            found["bias"] = SharedWeight.of(self.bias_pattern)
        return found

    def to_torch(self) -> nn.Linear:
        """The ``torch.nn.Linear`` with the expanded weight."""
        plain = nn.Linear(
            self.in_channels,
            self.out_channels,
            self.bias is not None,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )
        with torch.no_grad():
            plain.weight.copy_(self.full_weight())
            bias = self.full_bias()
            if bias is not None:
                plain.bias.copy_(bias)
        return plain.train(self.training)

    def extra_repr(self) -> str:
        """The representations."""
        return f"{self.rep_in} -> {self.rep_out}, bias={self.bias is not None}"
