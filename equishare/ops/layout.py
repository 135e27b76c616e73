"""The feature layout of the E(3) layers, and its conversion to and from e3nn's."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from equishare._e3nn import o3
from equishare.errors import LayerError
from equishare.ops.clebsch_gordan import clebsch_gordan

IrrepsLike: TypeAlias = o3.Irreps | str


def read_irreps(irreps: IrrepsLike) -> o3.Irreps:
    """e3nn's irreps of a text.

    Raises:
        LayerError: there are none in it.

    >>> read_irreps("8x0e + 8x1")
    Traceback (most recent call last):
    equishare.errors.LayerError: irreps such as '64x0e + 64x1o' expected, got '8x0e + 8x1'
    """
    try:
        return o3.Irreps(irreps)
    except (ValueError, TypeError) as error:
        raise LayerError(f"irreps such as '64x0e + 64x1o' expected, got {irreps!r}") from error


@dataclass(frozen=True)
class Layout:
    """Features ``[atom, (l, m), channel]``: several irreps, a channel for each of their copies.

    The channel comes last so that every step of a Clebsch-Gordan product is a product over contiguous channels.
    Components run through the irreps in the order given, m = -l..l within each. Where some irreps have fewer copies than others, the layers
    fill up with zeros inside, and take and give e3nn's flat ``[atom, irreps.dim]`` alone, which has no room for those.

    >>> layout = Layout.of("8x0e + 8x1o")
    >>> layout.channels, layout.dim, layout.degrees, layout.whole
    (8, 4, (0, 1), True)
    >>> Layout.of("8x0e + 4x1o").whole
    False
    """

    irreps: o3.Irreps
    channels: int = field(compare=False)  # the most copies of an irrep, or more

    def __post_init__(self) -> None:
        _ = (
            self.degrees,
            self.dim,
            self.starts,
            self.whole,
            self._sizes,
        )  # found once, here: a compiler cannot enter the lock of a cached property, nor e3nn's irreps

    @classmethod
    def of(cls, irreps: IrrepsLike, repeats: bool = False) -> "Layout":
        """Read e3nn irreps.

        Args:
            irreps: Irreps; entries of no copies are left out.
            repeats: Let an irrep occur more than once, as the paths of a tensor product do.

        Raises:
            LayerError: if an irrep occurs twice that may not, or there is none.
        """
        parsed = o3.Irreps([(mul, ir) for mul, ir in read_irreps(irreps) if mul])
        if not len(parsed) or (not repeats and len({ir for _, ir in parsed}) != len(parsed)):
            raise LayerError(
                f"expected distinct irreps with some copies each, such as '64x0e + 32x1o', got {str(irreps)!r}: join equal ones; "
                "as they are, TensorProduct takes them, and on groups.o3().irreps(...) SharedLinear, Bilinear and GatedActivation"
            )
        return cls(parsed, max(mul for mul, _ in parsed))

    def __str__(self) -> str:
        return str(self.irreps)

    @property
    def kind(self) -> Literal["permutation", "signed", "matrix"]:
        """Rotations mix components, inversion turns the sign of pseudoscalars (0o), and scalars (0e) stay as they are."""
        if any(ir.l for _, ir in self.irreps):
            return "matrix"
        return "signed" if any(ir.p < 0 for _, ir in self.irreps) else "permutation"

    @property
    def invariants(self) -> int | None:
        """The number of channels, where there are scalars (0e) alone."""
        return self.channels if self.kind == "permutation" and len(self.irreps) == 1 else None

    @cached_property
    def whole(self) -> bool:
        """Whether every irrep has a copy in every channel."""
        return set(self.copies) == {self.channels}

    @property
    def present(self) -> Bool[Tensor, "irreps channels"]:
        """Whether an irrep has a copy in a channel."""
        with torch.device("cpu"):
            return torch.arange(self.channels) < torch.tensor(self.copies)[:, None]

    @property
    def present_components(self) -> Bool[Tensor, "dim channels"]:
        """The same of each component (l, m)."""
        return self.present.repeat_interleave(torch.tensor([size for _, size in self._sizes], device="cpu"), dim=0)

    @property
    def copies(self) -> tuple[int, ...]:
        """The number of copies of each irrep."""
        return tuple(mul for mul, _ in self._sizes)

    @cached_property
    def _sizes(self) -> tuple[tuple[int, int], ...]:
        """Copies and components of each irrep."""
        return tuple((mul, ir.dim) for mul, ir in self.irreps)

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        """The degree l of each irrep."""
        return tuple(ir.l for _, ir in self.irreps)

    @cached_property
    def dim(self) -> int:
        """Number of components (l, m), the size of the middle axis."""
        return sum(2 * degree + 1 for degree in self.degrees)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First component of each irrep."""
        starts, position = [], 0
        for degree in self.degrees:
            starts.append(position)
            position += 2 * degree + 1
        return tuple(starts)

    def slice(self, irrep: o3.Irrep | str) -> slice:
        """Components of one irrep; where it occurs several times, of the first.

        Raises:
            LayerError: if the layout does not hold it.
        """
        wanted = o3.Irrep(irrep)
        for start, (_, ir) in zip(self.starts, self.irreps, strict=True):
            if ir == wanted:
                return slice(start, start + ir.dim)
        raise LayerError(f"irrep {wanted} is not among {self.irreps}")

    def matrix(self, rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "dim dim"]:
        """How an orthogonal matrix acts on the components: ``x -> einsum('ij,njc->nic', D, x)``.

        As precise as the matrix given; e3nn 0.6 rounds its own to float32.
        """
        natural = [torch.ones_like(rotation[:1, :1]), rotation]  # of parity (-1)^l
        for degree in range(2, max(self.degrees) + 1):
            c = clebsch_gordan(degree - 1, 1, degree).to(rotation)
            natural.append((2 * degree + 1) * torch.einsum("abi,cdj,ac,bd->ij", c, c, natural[-1], rotation))
        sign = torch.linalg.det(rotation).sign()
        return torch.block_diag(
            *(natural[ir.l] if ir.p == (-1) ** ir.l else sign * natural[ir.l] for _, ir in self.irreps)
        )

    def is_flat(self, features: Tensor, name: str = "features") -> bool:
        """Whether features are e3nn's flat ``[atom, irreps.dim]``, and not ``[atom, (l, m), channel]``.

        Raises:
            LayerError: if the shape does not match the irreps, or the numbers are no floating-point ones.
        """
        as_they_are = self.whole and features.ndim == 3 and features.shape[1:] == (self.dim, self.channels)
        if not as_they_are:
            size = sum(mul * size for mul, size in self._sizes)
            if features.ndim != 2 or features.shape[1] != size:
                shapes = f"[atoms, {self.dim}, {self.channels}] or e3nn's " if self.whole else "e3nn's "
                raise LayerError(
                    f"expected {name} of shape {shapes}[atoms, {size}] for irreps {self.irreps}, got {list(features.shape)}"
                )
        if not features.is_floating_point():
            raise LayerError(
                f"expected floating-point {name}, got {features.dtype}: convert them, as by {name}.float()"
            )
        return not as_they_are

    def blocks(self, flat: Float[Tensor, "atoms flat"]) -> list[Float[Tensor, "atoms components copies"]]:
        """One tensor ``[atom, m, copy]`` an irrep, of e3nn's flat layout; they share its memory."""
        parts = flat.split([mul * size for mul, size in self._sizes], dim=1)
        return [part.unflatten(1, shape).transpose(1, 2) for part, shape in zip(parts, self._sizes, strict=True)]

    def read(self, features: Tensor, name: str = "features") -> Float[Tensor, "atoms dim channels"]:
        """Features ``[atom, (l, m), channel]``, of such ones or of e3nn's flat ``[atom, irreps.dim]``.

        Raises:
            LayerError: as `is_flat`.
        """
        if not self.is_flat(features, name):
            return features
        blocks = self.blocks(features)
        if not self.whole:
            blocks = [functional.pad(block, (0, self.channels - block.shape[2])) for block in blocks]
        return torch.cat(blocks, dim=1)

    def write(self, features: Float[Tensor, "atoms dim channels"], flat: bool) -> Tensor:
        """The features as they are, or in e3nn's flat layout.

        Raises:
            LayerError: if they are to stay as they are, but some irreps have fewer copies than others.
        """
        if flat:
            blocks = features.split([size for _, size in self._sizes], dim=1)
            return torch.cat(
                [
                    block[..., :mul].transpose(1, 2).flatten(1)
                    for block, (mul, _) in zip(blocks, self._sizes, strict=True)
                ],
                dim=1,
            )
        if not self.whole:
            raise LayerError(f"{self.irreps} come out in e3nn's flat layout: give the inputs in it too, as by to_e3nn")
        return features


def to_e3nn(features: Float[Tensor, "atoms dim channels"], irreps: IrrepsLike) -> Float[Tensor, "atoms flat"]:
    """Rearrange features ``[atom, (l, m), channel]`` into e3nn's flat ``[atom, irreps.dim]``; channels beyond an irrep's copies go.

    Raises:
        LayerError: if the shape does not match the irreps.

    >>> to_e3nn(torch.zeros(5, 4, 8), "8x0e + 8x1o").shape, to_e3nn(torch.zeros(5, 4, 8), "8x0e + 2x1o").shape
    (torch.Size([5, 32]), torch.Size([5, 14]))
    """
    layout = Layout.of(irreps, repeats=True)
    if features.ndim != 3 or features.shape[1:] != (layout.dim, layout.channels):
        raise LayerError(
            f"expected shape [atoms, {layout.dim}, {layout.channels}] for {layout.irreps}, got {list(features.shape)}"
        )
    return layout.write(features, flat=True)


def from_e3nn(features: Float[Tensor, "atoms flat"], irreps: IrrepsLike) -> Float[Tensor, "atoms dim channels"]:
    """Rearrange e3nn's flat ``[atom, irreps.dim]`` into features ``[atom, (l, m), channel]``, zero where an irrep has fewer copies.

    The inverse of `to_e3nn`.

    Raises:
        LayerError: if the shape does not match the irreps.

    >>> x = torch.randn(5, 20)
    >>> bool(torch.equal(to_e3nn(from_e3nn(x, "8x0e + 4x1o"), "8x0e + 4x1o"), x))
    True
    """
    layout = Layout.of(irreps, repeats=True)
    if features.ndim != 2:
        raise LayerError(f"expected shape [atoms, {layout.irreps.dim}] for {layout.irreps}, got {list(features.shape)}")
    return layout.read(features)
