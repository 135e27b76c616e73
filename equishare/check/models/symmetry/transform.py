"""How one tensor of a model's input or output transforms under a group element."""

from abc import ABC, abstractmethod

from jaxtyping import Shaped
from torch import Tensor

from equishare.check.models.symmetry.element import Element


class Transform(ABC):
    """The action of a group on one tensor; final subclasses say which.

    `apply` is the action x -> g x. `linear` is its derivative, the action on differences and gradients: it
    differs only for positions, which translations move and whose gradients they do not.
    """

    @abstractmethod
    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Return g x, in the dtype of x."""

    def linear(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Return the linear part of g applied to x."""
        return self.apply(x, g)

    @abstractmethod
    def describe(self) -> str:
        """Name the action, for reports."""


def permute(
    x: Shaped[Tensor, "..."], g: Element, along: str | None, axis: int | tuple[int, ...]
) -> Shaped[Tensor, "..."]:
    """Reorder an axis of x, or several, if the element permutes the index set that they run over."""
    permutation = g.permutations.get(along) if along else None
    if permutation is None:
        return x
    for one in axis if isinstance(axis, tuple) else (axis,):
        x = x.index_select(one, permutation.to(x.device))
    return x
