"""Features that any group acts on by a representation."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Shaped
from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.transform import Transform, permute


class Representation(Protocol):
    """What the checker needs of a group representation (see `equishare.groups`)."""

    @property
    def group(self) -> Any:
        """The group, with `random(generator)`."""

    @property
    def size(self) -> int:
        """The dimension of the space that it acts on."""

    def matrix(self, g: Any, /) -> Tensor:
        """Return rho(g), [size, size]."""


@dataclass(frozen=True)
class Represented(Transform):
    """A representation of any group on one axis: x -> rho(g) x.

    Args:
        representation: an object with `group`, `size` and `matrix(element)`.
        fibre: the axis that it acts on.
        along: the index set of axis `axis`, or None.
        axis: the axis that runs along it.
    """

    representation: Representation
    fibre: int = -1
    along: str | None = None
    axis: int = 0

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Multiply the fibre by rho(g), then permute."""
        if g.abstract is not None:
            if x.shape[self.fibre] != self.representation.size:
                raise CheckError(
                    f"the representation has size {self.representation.size}, but axis {self.fibre} of the "
                    f"tensor with shape {tuple(x.shape)} has size {x.shape[self.fibre]}"
                )
            rho = torch.as_tensor(self.representation.matrix(g.abstract)).to(x)
            x = (x.movedim(self.fibre, -1) @ rho.mT).movedim(-1, self.fibre)
        return permute(x, g, self.along, self.axis)

    def describe(self) -> str:
        """Name the representation."""
        return f"representation of size {self.representation.size} of {self.representation.group}"
