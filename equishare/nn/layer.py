"""What every layer between representations has in common."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

from torch import Tensor, nn

from equishare.groups.representation import Representation, require_representation


class EquivarianceError(ValueError):
    """A layer cannot keep the symmetry that it was asked to keep."""


class SymmetryWarning(UserWarning):
    """A layer keeps its symmetry only under a condition that its construction cannot check."""


class Freezable(nn.Module, ABC):
    """A layer with shared weights that equals a plain torch module with its weights written out."""

    @abstractmethod
    def to_torch(self) -> nn.Module:
        """The plain torch module with the same outputs."""


class EquivariantLayer(Freezable, ABC):
    """A layer f with f(rho_in(g) x) = rho_out(g) f(x), channels in dimension 1 unless it says otherwise.

    Attributes:
        rep_in: how the group acts on the channels of the input.
        rep_out: how it acts on the channels of the output.
        in_channels: size of ``rep_in``.
        out_channels: size of ``rep_out``.
    """

    def __init__(self, rep_in: Representation, rep_out: Representation) -> None:
        super().__init__()
        require_representation(rep_in, rep_out)
        self.rep_in, self.rep_out = rep_in, rep_out
        self.in_channels, self.out_channels = rep_in.size, rep_out.size

    def to_torch(self) -> nn.Module:
        """A plain torch module with the same outputs; a copy of itself where nothing is tied."""
        return copy.deepcopy(self)

    def _check_channels(self, x: Tensor, dimension: int | None = None) -> None:
        """Raise EquivarianceError unless x is [batch, channels, *space] with the channels of ``rep_in``."""
        if x.ndim < 2 or x.shape[1] != self.in_channels or (dimension is not None and x.ndim != dimension + 2):
            space = "*space" if dimension is None else ", ".join(["size"] * dimension)
            raise EquivarianceError(
                f"{type(self).__name__}: an input [batch, {self.in_channels}, {space}] expected "
                f"for {self.rep_in}, got {list(x.shape)}"
            )


def fields_of(rep: Representation) -> list[tuple[int, Representation]]:
    """The (count, field) pairs of a representation: a field is one irreducible block of its direct sum."""
    require_representation(rep)
    found: list[tuple[int, Representation]] = []
    for count, part in rep.parts:
        if len(part.parts) > 1 or part.parts[0] != (1, part):
            found += fields_of(part) * count
        else:
            found.append((count, part))
    return found
