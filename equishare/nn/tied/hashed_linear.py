"""A linear layer whose weights are drawn from a small set by a hash."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.nn.feature_types import Invariants, require_whole
from equishare.nn.layer import Layer, LayerError
from equishare.sharing.hashing import hashed, signed_hash
from equishare.sharing.pattern import near
from equishare.sharing.shared_weights import Call, SharedWeight


class HashedLinear(Layer):
    """y = W x + b with W[e] = xi(e) w[h(e)]: ``n_free`` base weights stand for out * in, chosen by two hashes.

    Not a symmetry: a compression. Files, gradients and an optimizer's state hold ``n_free`` weights; running, the
    layer has a table of four bytes an entry beside it (which the seed rebuilds, and no file holds) and expands the
    weight with one gather, so a step needs no less memory than a dense layer's weight.

    Args:
        in_features: size of the input.
        out_features: size of the output.
        n_free: number of base weights, at most out_features * in_features.
        bias: whether to add a (dense) bias.
        seed: of the hashes; it belongs to the model as its sizes do.
        device: where the weights live.
        dtype: their precision.

    Raises:
        LayerError: ``n_free`` is out of range, or an input's last dimension is not ``in_features``.

    Chen et al. (2015), "Compressing neural networks with the hashing trick"; the sign hash is from Weinberger et al.
    (2009), "Feature hashing for large scale multitask learning".

    >>> layer = HashedLinear(64, 32, n_free=128)
    >>> layer(torch.zeros(5, 64)).shape, layer.weight.shape, layer.full_weight().shape
    (torch.Size([5, 32]), torch.Size([128]), torch.Size([32, 64]))
    """

    table: Tensor

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_free: int,
        bias: bool = True,
        *,
        seed: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = Invariants(in_features), Invariants(out_features)
        if not 1 <= n_free <= in_features * out_features:
            raise LayerError(f"n_free from 1 to {in_features * out_features} expected, got {n_free}")
        require_whole(n_free=n_free)
        self.in_features, self.out_features, self.n_free, self.seed = in_features, out_features, n_free, seed
        self.weight = nn.Parameter(torch.empty(n_free, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_features, device=device, dtype=dtype)) if bias else None
        table = signed_hash(torch.arange(out_features * in_features, device="cpu"), n_free, seed).int()
        self.register_buffer("table", table, persistent=False)
        self.reset_parameters()
        self.to(torch.get_default_device() if device is None else device)

    def reset_parameters(self) -> None:
        """Draw uniformly within 1 / sqrt(in_features), as ``torch.nn.Linear`` does: the expanded weight is distributed alike."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(self.in_features), 1 / math.sqrt(self.in_features))

    def full_weight(self) -> Float[Tensor, "out in"]:
        """The expanded matrix."""
        both = torch.cat([self.weight, -self.weight])
        return both.index_select(0, near(self.table, both)).reshape(self.out_features, self.in_features)

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """The linear map."""
        if x.shape[-1:] != (self.in_features,):
            raise LayerError(f"HashedLinear: [..., {self.in_features}] expected, got {list(x.shape)}")
        self.require_numbers(x)
        return functional.linear(x, self.full_weight(), self.bias)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The pattern of the weight."""
        return {"weight": SharedWeight.of(hashed((self.out_features, self.in_features), self.n_free, self.seed))}

    def to_torch(self) -> nn.Linear:
        """The ``torch.nn.Linear`` with the expanded weight."""
        plain = nn.Linear(
            self.in_features,
            self.out_features,
            self.bias is not None,
            device=self.weight.device,
            dtype=self.weight.dtype,
        )
        with torch.no_grad():
            plain.weight.copy_(self.full_weight())
            if self.bias is not None:
                plain.bias.copy_(self.bias)
        return plain.train(self.training)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.in_features}, {self.out_features}, n_free={self.n_free}, bias={self.bias is not None}, seed={self.seed}"
