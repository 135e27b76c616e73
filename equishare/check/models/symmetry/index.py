"""Integers that name members of an index set."""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.transform import Transform, permute


@dataclass(frozen=True)
class Index(Transform):
    """Integers that name members of an index set, such as an `edge_index` [2, edges].

    Args:
        of: the index set that the entries name.
        along: the index set that axis `axis` runs along, or None.
        axis: the axis that runs along it.

    Example:
        >>> import torch
        >>> g = Element(permutations={"atoms": torch.tensor([2, 0, 1])})
        >>> Index().apply(torch.tensor([[0], [1]]), g).flatten().tolist()
        [1, 2]
    """

    of: str = "atoms"
    along: str | None = "edges"
    axis: int = -1

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Rename the entries, then permute the axis."""
        permutation = g.permutations.get(self.of)
        if permutation is not None:
            x = torch.argsort(permutation).to(x)[x]
        return permute(x, g, self.along, self.axis)

    def describe(self) -> str:
        """Say what the entries name."""
        return f"indices of {self.of}"
