"""An autoencoder that decodes through the transposes of its encoder's matrices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.nn.feature_types import Invariants, require_whole
from equishare.nn.layer import Layer, LayerError
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.shared_weights import Call, SharedWeight


class TiedAutoencoder(Layer):
    """h = W_L s(... s(W_1 x + b_1) ...) + b_L, and back by x' = W_1^T s(... s(W_L^T h + c_L) ...) + c_1.

    Each matrix is used twice, so an autoencoder has half the matrices' weights; the activation s stands between layers,
    code and output are linear. Law: the orthogonal family of equal solutions. For every orthogonal Q, W_L -> Q W_L and
    b_L -> Q b_L leave x' as it is and turn the code, exact: of the last matrix only W_L^T W_L can be learned from
    reconstructions. (Untied, the family is that of all invertible matrices.)

    Args:
        sizes: features of the input, of each hidden layer, and of the code.
        activation: between layers, entry by entry; the identity makes the autoencoder linear.
        bias: whether there are biases.
        device: where the weights live.
        dtype: their precision.

    Shapes:
        ``[..., sizes[0]]`` -> the same; the code has ``sizes[-1]`` numbers.

    Raises:
        LayerError: there are fewer than two sizes, or an input's last dimension is not the first (or last) size.

    Vincent et al. (2010), "Stacked denoising autoencoders"; Baldi & Hornik (1989) for the linear case.

    >>> net = TiedAutoencoder([64, 32, 8], nn.Tanh())
    >>> x = torch.randn(5, 64)
    >>> net(x).shape, net.encode(x).shape, sum(p.numel() for p in net.parameters())
    (torch.Size([5, 64]), torch.Size([5, 8]), 2440)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: nn.Module | None = None,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in = self.rep_out = Invariants(sizes[0]) if sizes else None
        if len(sizes) < 2:
            raise LayerError(f"sizes of the input and the code, at least, expected, got {list(sizes)}")
        require_whole(**{f"sizes[{k}]": size for k, size in enumerate(sizes)})
        self.sizes, self.bias = tuple(sizes), bias
        self.activation = nn.Identity() if activation is None else activation
        for k, (n, m) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            self.register_parameter(f"weight_{k}", nn.Parameter(torch.empty(m, n, device=device, dtype=dtype)))
            if bias:
                self.register_parameter(f"bias_{k}", nn.Parameter(torch.empty(m, device=device, dtype=dtype)))
                self.register_parameter(f"back_bias_{k}", nn.Parameter(torch.empty(n, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw orthogonal matrices, of which the transpose is the inverse; biases are zero."""
        for name, parameter in self.named_parameters(recurse=False):
            if name.startswith("weight"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)

    def layers(self) -> list[tuple[Tensor, Tensor | None]]:
        """Matrix and bias of each layer, encoder first; the decoder's matrices are transposes of the encoder's."""
        depth = range(len(self.sizes) - 1)
        matrices = [getattr(self, f"weight_{k}") for k in depth]
        steps = [(matrices[k], f"bias_{k}") for k in depth] + [
            (matrices[k].mT, f"back_bias_{k}") for k in reversed(depth)
        ]
        return [(weight, getattr(self, name) if self.bias else None) for weight, name in steps]

    def _run(self, x: Tensor, layers: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        if x.shape[-1:] != layers[0][0].shape[1:]:
            raise LayerError(f"TiedAutoencoder: [..., {layers[0][0].shape[1]}] expected, got {list(x.shape)}")
        self.require_numbers(x)
        for k, (weight, bias) in enumerate(layers):
            x = functional.linear(self.activation(x) if k else x, weight, bias)
        return x

    def encode(self, x: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch code"]:
        """The code."""
        return self._run(x, self.layers()[: len(self.sizes) - 1])

    def decode(self, code: Float[Tensor, "*batch code"]) -> Float[Tensor, "*batch features"]:
        """The features that a code stands for."""
        return self._run(code, self.layers()[len(self.sizes) - 1 :])

    def forward(self, x: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch features"]:
        """The reconstruction."""
        return self.decode(self.encode(x))

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The patterns of the matrices: each stands in the encoder and, transposed, in the decoder."""
        found = {}
        for k, (n, m) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            found[f"weight_{k}"] = SharedWeight.of(IndexPattern(torch.arange(m * n).reshape(m, n).repeat(2, 1, 1)))
        return found

    def to_torch(self) -> nn.Sequential:
        """Encoder and decoder as ``torch.nn.Linear`` layers with the matrices written out."""
        modules: list[nn.Module] = []
        for k, (weight, bias) in enumerate(self.layers()):
            if k not in (0, len(self.sizes) - 1):
                modules.append(self.activation)
            linear = nn.Linear(
                weight.shape[1], weight.shape[0], bias is not None, device=weight.device, dtype=weight.dtype
            )
            with torch.no_grad():
                linear.weight.copy_(weight)
                if bias is not None:
                    linear.bias.copy_(bias)
            modules.append(linear)
        return nn.Sequential(*modules).train(self.training)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{list(self.sizes)}, bias={self.bias}"
