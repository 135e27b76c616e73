"""One element of the symmetry under test."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Element:
    """A group element g, as the parts of it that are not the identity.

    Every part is optional, so that one type serves a rotation, a permutation, a shift of an image and any
    product of them. A tensor's `Transform` reads the parts that act on it.

    Attributes:
        orthogonal: R in O(3); vectors go to v R^T.
        translation: t in Å; positions go to r + t (after R).
        permutations: per index set ("atoms", "edges", ...), p with new[i] = old[p[i]].
        turns: quarter turns of an image, counter-clockwise as `torch.rot90` counts them.
        flip: mirror the image's last axis first, then turn.
        shift: circular shift of an image, (rows, columns).
        abstract: an element of a group of `equishare.groups` (or any object its representations understand).

    Example:
        >>> Element(turns=1).describe()
        'turn by 90 degrees'
    """

    orthogonal: Float[Tensor, "3 3"] | None = None
    translation: Float[Tensor, "3"] | None = None
    permutations: Mapping[str, Int[Tensor, " n"]] = field(default_factory=dict)
    turns: int = 0
    flip: bool = False
    shift: tuple[int, int] = (0, 0)
    abstract: Any = None

    @property
    def parts(self) -> frozenset[str]:
        """What the element moves: names of its fields, and of the index sets that it permutes."""
        moved = {f.name for f in fields(self) if f.name != "permutations" and f.name in self._given()}
        return frozenset(moved | set(self.permutations))

    def _given(self) -> dict[str, Any]:
        identity = (None, 0, False, (0, 0))
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor) or v not in identity}

    def combined(self, other: "Element") -> "Element":
        """Return the product with an element that moves other things.

        Example:
            >>> Element(turns=1).combined(Element(shift=(0, 1))).describe()
            'turn by 90 degrees, shift by (0, 1) pixels'
        """
        permutations = {**self.permutations, **other.permutations}
        return Element(**{**self._given(), **other._given(), "permutations": permutations})

    def describe(self) -> str:
        """Say in words what the element does, shortly enough for a table."""
        words = []
        if self.orthogonal is not None:
            words.append(_describe_orthogonal(self.orthogonal))
        if self.translation is not None:
            words.append("translation by ({:.3g}, {:.3g}, {:.3g})".format(*self.translation.tolist()))
        for name, permutation in self.permutations.items():
            moved = int((permutation != torch.arange(len(permutation))).sum())
            words.append(f"permutation of {name} that moves {moved} of {len(permutation)}")
        if self.flip:
            words.append("mirror")
        if self.turns % 4:
            words.append(f"turn by {90 * (self.turns % 4)} degrees")
        if self.shift != (0, 0):
            words.append(f"shift by {self.shift} pixels")
        if self.abstract is not None:
            words.append(str(self.abstract))
        return ", ".join(words) or "identity"


def _describe_orthogonal(R: Float[Tensor, "3 3"]) -> str:
    improper = bool(torch.linalg.det(R) < 0)
    proper = -R if improper else R
    angle = torch.rad2deg(torch.arccos(((torch.trace(proper) - 1) / 2).clamp(-1, 1))).item()
    return ("inversion and " if improper else "") + f"rotation by {angle:.1f} degrees"
