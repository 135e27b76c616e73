"""Cartesian tensors: scalars, vectors, positions, matrices."""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.transform import Transform, permute


@dataclass(frozen=True)
class Cartesian(Transform):
    """A Cartesian tensor over `rank` axes of size 3, the last ones by default: T -> det(R)^pseudo (R x ... x R) T.

    Rank 0 is a scalar: invariant under rotations (a pseudoscalar changes sign under improper ones),
    permuted if it runs along an index set.

    Args:
        rank: number of Cartesian axes.
        pseudo: multiply by det R, as for an axial vector.
        along: the index set of axis `axis` ("atoms", "edges", ...), or None for a global quantity.
        axis: the axis that runs along it, or both axes of a matrix of pairs.
        moves: translations are added (positions).
        components: the Cartesian axes where they are not the last ones: (-2,) for points in columns, [batch, 3, points].

    Raises:
        CheckError: the Cartesian axes of the tensor do not have size 3.

    Example:
        >>> import torch
        >>> Cartesian(1).apply(torch.tensor([1.0, 0, 0]), Element(orthogonal=-torch.eye(3))).tolist()
        [-1.0, 0.0, 0.0]
    """

    rank: int = 0
    pseudo: bool = False
    along: str | None = None
    axis: int | tuple[int, ...] = 0
    moves: bool = False
    components: tuple[int, ...] | None = None

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Rotate, then translate where positions are meant, and permute."""
        x = self.linear(x, g)
        if not self.moves or g.translation is None:
            return x
        return (x.movedim(self._axes(x)[0], -1) + g.translation.to(x)).movedim(-1, self._axes(x)[0])

    def linear(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Rotate and permute."""
        if g.orthogonal is not None and (self.rank or self.pseudo):
            R = g.orthogonal.to(x)
            for axis in self._axes(x):
                x = torch.tensordot(x, R, dims=([axis], [1])).movedim(-1, axis)
            x = x * torch.linalg.det(g.orthogonal).round().to(x) if self.pseudo else x
        return permute(x, g, self.along, self.axis)

    def _axes(self, x: Tensor) -> list[int]:
        """The Cartesian axes of a tensor."""
        axes = range(-self.rank, 0) if self.components is None else self.components
        if any(not -x.dim() <= axis < x.dim() or x.shape[axis] != 3 for axis in axes):
            where = f"{self.rank} last axes" if self.components is None else f"axes {self.components}"
            raise CheckError(
                f"a Cartesian tensor of rank {self.rank} needs {where} of size 3, "
                f"got shape {tuple(x.shape)}; give this tensor another type"
            )
        return [axis % x.dim() for axis in axes]

    def describe(self) -> str:
        """Name the tensor's kind and what it runs along."""
        kinds = {0: "scalar", 1: "vector", 2: "matrix"}
        kind = (
            "positions"
            if self.moves
            else ("pseudo" if self.pseudo else "") + kinds.get(self.rank, f"rank-{self.rank} tensor")
        )
        kind = "invariant" if kind == "scalar" and self.along is None else kind
        if not self.along or self.moves:
            return kind
        pairs = isinstance(self.axis, tuple) and len(self.axis) == 2
        return f"{kind} per pair of {self.along}" if pairs else f"{kind} per {self.along.removesuffix('s')}"
