"""Feature fields: channels that turn while the pixels move."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.represented import Represented
from equishare.check.models.symmetry.transform import Transform
from equishare.groups import FiniteGroup, Representation, grid_permutation


@dataclass(frozen=True)
class Field(Transform):
    """A field on a centred grid: (g f)(x) = rho(g) f(g^-1 x), with x over the last `dimension` axes.

    Args:
        representation: of a group of `equishare.groups` that acts on space too.
        dimension: of space; the last axes are the grid's.
        fibre: the axis of the channels.

    Raises:
        GroupError: the group does not map the grid to itself.
        CheckError: the group is not finite.
        CheckError: the channels do not have the representation's size.

    Example:
        >>> from equishare import groups
        >>> C4 = groups.cyclic(4)
        >>> quarter = Element(abstract=C4.generators[0])
        >>> Field(C4.trivial(), 2).apply(torch.tensor([[[[1, 2], [3, 4]]]]), quarter).tolist()
        [[[[2, 4], [1, 3]]]]
    """

    representation: Representation
    dimension: int
    fibre: int = 1

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Move the pixels, then turn the channels."""
        if g.abstract is None:
            return x
        group, shape = self.representation.group, tuple(x.shape[-self.dimension :])
        if not isinstance(group, FiniteGroup):
            raise CheckError(f"a field on a grid needs a finite group, got {group}")
        goes = grid_permutation(group, shape).image(g.abstract)
        came = torch.from_numpy(np.argsort(goes)).to(x.device)
        moved = x.flatten(-self.dimension).index_select(-1, came).unflatten(-1, shape)
        if self.representation == group.trivial():
            return moved  # any number of channels
        return Represented(self.representation, self.fibre).apply(moved, g)

    def describe(self) -> str:
        """Name the representation."""
        return f"field of {self.representation}"
