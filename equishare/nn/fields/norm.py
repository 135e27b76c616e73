"""Normalisation that respects fields."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.groups.intertwiners import fields_of
from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.layer import FieldLayer, require_orthogonal, wide
from equishare.sharing.pattern import near

_NORMS: dict[int, type[nn.Module]] = {
    0: nn.BatchNorm1d,
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}


class FieldBatchNorm(FieldLayer):
    """Batch normalisation with one mean, variance, scale and shift a field.

    Permuted fields: y = (x - mean) / sqrt(var + eps) * w + b, as in Ioffe & Szegedy 2015. Others, such as vectors: y = x / sqrt(mean of
    x^2 over batch, space and coordinates + eps) * w, since only an invariant may be taken off. Law: f(rho(g) x) = rho(g) f(x), exact
    in training and in evaluation: neither turns nor permutations of a field's coordinates (and of positions) change its statistics.

    Args:
        rep: representation of the channels.
        dimension: axes of space, 0 to 3.
        eps: added to the variance.
        momentum: weight of a new batch in the running statistics.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: the representation does not keep lengths.

    >>> from equishare import groups, nn
    >>> norm = nn.FieldBatchNorm(16 * groups.cyclic(4).regular())
    >>> norm.weight.shape, norm(torch.randn(2, 64, 5, 5)).shape
    (torch.Size([16]), torch.Size([2, 64, 5, 5]))
    >>> nn.FieldBatchNorm(groups.o3().irreps("4x0e+4x1o"), dimension=0)(torch.randn(8, 16)).shape
    torch.Size([8, 16])
    """

    running_mean: Tensor
    running_var: Tensor

    takes_half = True

    def __init__(self, rep: Representation, dimension: int = 2, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(rep, rep)
        require_orthogonal(rep)
        require_whole(0, dimension=dimension)
        self.dimension, self.eps, self.momentum = dimension, eps, momentum
        self.fields = [(count, field.size, field.kind == "permutation") for count, field in fields_of(rep)]
        total = sum(count for count, *_ in self.fields)
        self.weight = nn.Parameter(torch.empty(total))
        self.bias = nn.Parameter(torch.empty(total))
        self.register_buffer("running_mean", torch.empty(total))
        self.register_buffer("running_var", torch.empty(total))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scales one, shifts zero, and statistics of no batch."""
        with torch.no_grad():
            for ones, zeros in ((self.weight, self.bias), (self.running_var, self.running_mean)):
                ones.fill_(1)
                zeros.zero_()

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The normalised features."""
        self._check_channels(x, self.dimension)
        counts = [count for count, *_ in self.fields]
        # a batch norm keeps its statistics for the backward pass: those of several fields may not be parts of one table that changes
        several = self.training and len(counts) > 1
        means, variances = (
            [t.clone() if several else t for t in table.split(counts)]
            for table in (self.running_mean, self.running_var)
        )
        parts = x.split([count * size for count, size, _ in self.fields], dim=1)
        tables = zip(means, variances, self.weight.split(counts), self.bias.split(counts), strict=True)
        out = []
        for part, (count, size, permuted), (mean, var, weight, bias) in zip(parts, self.fields, tables, strict=True):
            fields = part.reshape(part.shape[0], count, size, *part.shape[2:])
            if permuted:
                normed = functional.batch_norm(fields, mean, var, weight, bias, self.training, self.momentum, self.eps)
            else:
                normed = self._by_length(fields, var, weight)
            out.append(normed.reshape(part.shape))
        if several:
            with torch.no_grad():
                self.running_mean.copy_(torch.cat(means))
                self.running_var.copy_(torch.cat(variances))
        return torch.cat(out, dim=1) if len(out) > 1 else out[0]

    def _by_length(self, fields: Tensor, var: Tensor, weight: Tensor) -> Tensor:
        """Fields [batch, count, size, *space] over the root of their mean square."""
        square = var
        if self.training:
            square = wide(fields).square().mean([0, *range(2, fields.ndim)])
            with torch.no_grad():
                var.lerp_(square.to(var), self.momentum)
        scale = (weight * torch.rsqrt(square + self.eps)).reshape(-1, *[1] * (fields.ndim - 2))
        return (fields * scale).to(fields.dtype)

    def to_torch(self) -> nn.Module:
        """The ``torch.nn.BatchNormNd`` with each field's numbers repeated for its channels; fields that turn have neither mean nor shift."""
        plain = _NORMS[self.dimension](self.in_channels, eps=self.eps, momentum=self.momentum)
        device = self.weight.device
        repeats = torch.tensor([size for count, size, _ in self.fields for _ in range(count)], device=device)
        shifted = torch.tensor(
            [float(permuted) for count, _, permuted in self.fields for _ in range(count)], device=device
        )
        plain = plain.to(self.weight)
        with torch.no_grad():
            for name in ("weight", "bias", "running_mean", "running_var"):
                value = getattr(self, name) * (shifted if name in ("bias", "running_mean") else 1)
                getattr(plain, name).copy_(value.repeat_interleave(repeats))
        return plain.train(self.training)


class FieldRMSNorm(FieldLayer):
    """Division by the root mean square over all channels of a position, with one scale a field.

    y = w_field * x / sqrt(mean over channels of x^2 + eps). Law: f(rho(g) x) = rho(g) f(x), exact for
    orthogonal representations of any kind, which keep the norm (Zhang & Sennrich 2019).

    Args:
        rep: representation of the channels.
        eps: added to the mean square.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: the representation does not keep lengths.

    >>> from equishare import groups, nn
    >>> nn.FieldRMSNorm(groups.o3().irreps("4x0e+4x1o"))(torch.randn(2, 16)).shape
    torch.Size([2, 16])
    """

    channel_field: Tensor

    takes_half = True

    def __init__(self, rep: Representation, eps: float = 1e-5) -> None:
        super().__init__(rep, rep)
        require_orthogonal(rep)
        self.eps = eps
        sizes = [field.size for count, field in fields_of(rep) for _ in range(count)]
        self.weight = nn.Parameter(torch.empty(len(sizes)))
        self.reset_parameters()
        self.register_buffer(
            "channel_field", torch.tensor([k for k, size in enumerate(sizes) for _ in range(size)], device="cpu"), False
        )

    def reset_parameters(self) -> None:
        """Scales one."""
        nn.init.ones_(self.weight)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The normalised features."""
        self._check_channels(x)
        scale = self.weight[near(self.channel_field, self.weight)].reshape(-1, *[1] * (x.ndim - 2))
        return (x * torch.rsqrt(wide(x).square().mean(1, keepdim=True) + self.eps) * scale).to(x.dtype)
