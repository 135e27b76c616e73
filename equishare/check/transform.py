"""How one tensor of a model's input or output transforms under a group element."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from equishare.check.element import Element


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


def permute(x: Shaped[Tensor, "..."], g: Element, along: str | None, axis: int) -> Shaped[Tensor, "..."]:
    """Reorder an axis of x if the element permutes the index set that the axis runs over."""
    permutation = g.permutations.get(along) if along else None
    return x if permutation is None else x.index_select(axis, permutation.to(x.device))


@dataclass(frozen=True)
class Cartesian(Transform):
    """A Cartesian tensor over the last `rank` axes, each of size 3: T -> det(R)^pseudo (R x ... x R) T.

    Rank 0 is a scalar: invariant under rotations (a pseudoscalar changes sign under improper ones),
    permuted if it runs along an index set.

    Args:
        rank: number of Cartesian axes, the last ones.
        pseudo: multiply by det R, as for an axial vector.
        along: the index set of axis `axis` ("atoms", "edges", ...), or None for a global quantity.
        axis: the axis that runs along it.
        moves: translations are added (positions).

    Raises:
        ValueError: the last axes of the tensor do not have size 3.

    Example:
        >>> import torch
        >>> Cartesian(1).apply(torch.tensor([1.0, 0, 0]), Element(orthogonal=-torch.eye(3))).tolist()
        [-1.0, 0.0, 0.0]
    """

    rank: int = 0
    pseudo: bool = False
    along: str | None = None
    axis: int = 0
    moves: bool = False

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Rotate, then translate where positions are meant, and permute."""
        x = self.linear(x, g)
        return x + g.translation.to(x) if self.moves and g.translation is not None else x

    def linear(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Rotate and permute."""
        if g.orthogonal is not None and (self.rank or self.pseudo):
            R = g.orthogonal.to(x)
            if tuple(x.shape[x.dim() - self.rank :]) != (3,) * self.rank or x.dim() < self.rank:
                raise ValueError(
                    f"a Cartesian tensor of rank {self.rank} needs {self.rank} last axes of size 3, "
                    f"got shape {tuple(x.shape)}; give this tensor another type"
                )
            for axis in range(x.dim() - self.rank, x.dim()):
                x = torch.tensordot(x, R, dims=([axis], [1])).movedim(-1, axis)
            x = x * torch.linalg.det(g.orthogonal).round().to(x) if self.pseudo else x
        return permute(x, g, self.along, self.axis)

    def describe(self) -> str:
        """Name the tensor's kind and what it runs along."""
        kinds = {0: "scalar", 1: "vector", 2: "matrix"}
        kind = (
            "positions"
            if self.moves
            else ("pseudo" if self.pseudo else "") + kinds.get(self.rank, f"rank-{self.rank} tensor")
        )
        kind = "invariant" if kind == "scalar" and self.along is None else kind
        return kind + (f" per {self.along.removesuffix('s')}" if self.along and not self.moves else "")


@dataclass(frozen=True)
class Irreps(Transform):
    """e3nn irreps on one axis: x -> D(R) x, in e3nn's order (l, then m = -l..l) and basis.

    Args:
        irreps: for instance `"8x0e+4x1o"`.
        fibre: the axis that holds them.
        along: the index set of axis `axis`, or None.
        axis: the axis that runs along it.

    Raises:
        ValueError: the axis does not have the irreps' dimension.

    Example:
        >>> import torch
        >>> inversion = Element(orthogonal=-torch.eye(3, dtype=torch.float64))
        >>> Irreps("0e+1o").apply(torch.ones(4), inversion).round().tolist()
        [1.0, -1.0, -1.0, -1.0]
    """

    irreps: str
    fibre: int = -1
    along: str | None = None
    axis: int = 0

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Apply D block by block, then permute."""
        from equishare._e3nn import o3

        if g.orthogonal is not None:
            irreps = o3.Irreps(self.irreps)
            if x.shape[self.fibre] != irreps.dim:
                raise ValueError(
                    f"irreps {self.irreps} have dimension {irreps.dim}, but axis {self.fibre} of the tensor "
                    f"with shape {tuple(x.shape)} has size {x.shape[self.fibre]}"
                )
            y, blocks, start = x.movedim(self.fibre, -1), [], 0
            for multiplicity, irrep in irreps:
                size = multiplicity * irrep.dim
                block = y[..., start : start + size].unflatten(-1, (multiplicity, irrep.dim)) if size else None
                if block is not None:
                    blocks.append((block @ wigner_d(irrep.l, irrep.p, g.orthogonal).to(x).mT).flatten(-2))
                start += size
            x = torch.cat(blocks, -1).movedim(-1, self.fibre)
        return permute(x, g, self.along, self.axis)

    def describe(self) -> str:
        """Write the irreps."""
        return self.irreps + (f" per {self.along.removesuffix('s')}" if self.along else "")


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
                raise ValueError(
                    f"the representation has size {self.representation.size}, but axis {self.fibre} of the "
                    f"tensor with shape {tuple(x.shape)} has size {x.shape[self.fibre]}"
                )
            rho = torch.as_tensor(self.representation.matrix(g.abstract)).to(x)
            x = (x.movedim(self.fibre, -1) @ rho.mT).movedim(-1, self.fibre)
        return permute(x, g, self.along, self.axis)

    def describe(self) -> str:
        """Name the representation."""
        return f"representation of size {self.representation.size} of {self.representation.group}"


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


@dataclass(frozen=True)
class Image(Transform):
    """An image or feature map under mirror, quarter turns and circular shifts of two axes.

    Args:
        axes: the rows' and the columns' axis.
        group_axis: an axis of size 4 (or 8) that holds the regular representation of C4 (or D4): entry r +
            4 m is the response to the filter turned r times after m mirrors. None where channels are
            invariant.

    Raises:
        ValueError: the image is not square.

    Example:
        >>> import torch
        >>> Image().apply(torch.tensor([[1, 2], [3, 4]]), Element(turns=1)).tolist()
        [[2, 4], [1, 3]]
    """

    axes: tuple[int, int] = (-2, -1)
    group_axis: int | None = None

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Mirror, turn, shift, and move the group axis along."""
        if g.flip or g.turns % 4:
            if g.turns % 2 and x.shape[self.axes[0]] != x.shape[self.axes[1]]:
                raise ValueError(f"a quarter turn needs a square image, got shape {tuple(x.shape)}")
            x = torch.flip(x, (self.axes[1],)) if g.flip else x
            x = torch.rot90(x, g.turns, self.axes)
            x = x if self.group_axis is None else x.index_select(self.group_axis, self._left(g, x))
        return torch.roll(x, g.shift, self.axes) if g.shift != (0, 0) else x

    def _left(self, g: Element, x: Tensor) -> Tensor:
        """Indices of g^-1 h for every h = r + 4 m of the group axis, with element r^k m^f, m r = r^-1 m."""
        size = x.shape[self.group_axis] if self.group_axis is not None else 0
        if size not in (4, 8) or (g.flip and size == 4):
            raise ValueError(f"a group axis has size 4 for turns, 8 for turns and mirrors; got {size}")
        h = torch.arange(size, device=x.device)
        r, m = h % 4, h // 4
        turned = (r - g.turns) % 4
        return (-turned) % 4 + 4 * ((m + 1) % 2) if g.flip else turned + 4 * m

    def describe(self) -> str:
        """Name the kind of feature map."""
        return "image" if self.group_axis is None else "regular feature map"


@cache
def _points(degree: int) -> tuple[Float[Tensor, "points 3"], Float[Tensor, "m points"]]:
    """Fixed directions, and the pseudo-inverse of their spherical harmonics."""
    points = torch.randn(4 * degree + 8, 3, generator=torch.Generator().manual_seed(degree), dtype=torch.float64)
    return points, torch.linalg.pinv(_harmonics(degree, points))


def _harmonics(degree: int, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points m"]:
    from equishare._e3nn import o3

    return o3.spherical_harmonics(degree, points, normalize=True, normalization="component")


def wigner_d(degree: int, parity: int, R: Float[Tensor, "3 3"]) -> Float[Tensor, "m m"]:
    """Return D^(l, p)(R) in e3nn's basis, to the last digit.

    Solved from Y_l(R x) = D_l(R) Y_l(x): e3nn's own route through Euler angles keeps six digits only, which
    would drown what a float64 check can see.

    Example:
        >>> import torch
        >>> (wigner_d(2, 1, -torch.eye(3, dtype=torch.float64)) - torch.eye(5)).abs().max().item() < 1e-13
        True
    """
    R = R.to(dtype=torch.float64, device="cpu")
    sign = torch.linalg.det(R).round()
    points, inverse = _points(degree)
    D = (inverse @ _harmonics(degree, points @ (sign * R).mT)).mT
    return D * parity if sign < 0 else D
