"""Nonlinearities that commute with a representation."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.intertwiners import fields_of
from equishare.groups.representation import Representation
from equishare.nn.feature_types import FeatureType
from equishare.nn.layer import EquivarianceError, FieldLayer, require_orthogonal, wide

ODD = (nn.Tanh, nn.Hardtanh, nn.Softsign, nn.Tanhshrink, nn.Hardshrink, nn.Softshrink, nn.Identity)
ENTRYWISE = (
    *ODD,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Sigmoid,
    nn.Hardswish,
    nn.Hardsigmoid,
)


def check_entrywise(function: nn.Module, rep: FeatureType) -> None:
    """Raise EquivarianceError unless a function of each entry commutes with the representation."""
    name = type(function).__name__
    if not isinstance(function, ENTRYWISE):
        raise EquivarianceError(f"an entrywise torch activation is needed, got {name}")
    if rep.kind == "matrix" or (rep.kind == "signed" and not isinstance(function, ODD)):
        needed = "an odd function" if rep.kind == "signed" else "NormActivation"
        raise EquivarianceError(f"{name} does not commute with {rep}: use {needed}")


class PointwiseActivation(FieldLayer):
    """One function of each entry, y_c = f(x_c).

    Law: f(rho(g) x) = rho(g) f(x), exact: any function commutes with permutations, an odd one with signs too.

    Args:
        rep: representation of the channels.
        function: an entrywise torch activation.

    Shapes:
        Any -> the same.

    Raises:
        EquivarianceError: the function is not known to be entrywise, or the representation mixes channels.

    >>> from equishare import groups, nn
    >>> relu = nn.PointwiseActivation(groups.cyclic(4).regular(), torch.nn.ReLU())
    >>> relu(torch.tensor([[-1.0, 2.0, 0.0, 1.0]]))
    tensor([[0., 2., 0., 1.]])
    """

    def __init__(self, rep: Representation, function: nn.Module) -> None:
        super().__init__(rep, rep)
        check_entrywise(function, rep)
        self.function = function

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The function of each entry."""
        self.require_numbers(x)
        return self.function(x)

    def to_torch(self) -> nn.Module:
        """The function."""
        return copy.deepcopy(self.function)


class NormActivation(FieldLayer):
    """A function of each field's length, with a threshold of its own: ``y = x f(|x| + b) / |x|``.

    Law: f(rho(g) x) = rho(g) f(x), exact for orthogonal representations of any kind (Worrall et al. 2017).

    Args:
        rep: representation of the channels.
        function: f, an entrywise torch activation; ReLU by default.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: the representation does not keep lengths, or the function is not entrywise.

    >>> from equishare import groups, nn
    >>> nn.NormActivation(groups.o3().irreps("2x0e+2x1o"))(torch.randn(3, 8)).shape
    torch.Size([3, 8])
    """

    takes_half = True

    def __init__(self, rep: Representation, function: nn.Module | None = None) -> None:
        super().__init__(rep, rep)
        require_orthogonal(rep)
        self.function = nn.ReLU() if function is None else function
        if not isinstance(self.function, ENTRYWISE):
            raise EquivarianceError(f"an entrywise torch activation is needed, got {type(function).__name__}")
        self.fields = [(count, field.size) for count, field in fields_of(rep)]
        self.bias = nn.Parameter(torch.empty(sum(count for count, _ in self.fields)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Thresholds of 0.1."""
        nn.init.constant_(self.bias, -0.1)

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The shortened fields."""
        self._check_channels(x)
        out = []
        biases = self.bias.split([count for count, _ in self.fields])
        parts = x.split([count * size for count, size in self.fields], dim=1)
        for part, bias, (count, size) in zip(parts, biases, self.fields, strict=True):
            fields = part.reshape(part.shape[0], count, size, *part.shape[2:])
            length = (wide(fields).square().sum(2, keepdim=True) + 1e-12).sqrt()
            shift = bias.reshape(1, count, 1, *[1] * (part.ndim - 2))
            out.append((fields * (self.function(length + shift) / length)).to(x.dtype).reshape(part.shape))
        return torch.cat(out, dim=1)
