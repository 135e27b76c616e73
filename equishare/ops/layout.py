"""The feature layout of the E(3) layers, and its conversion to and from e3nn's."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

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
    """Features ``[atom, (l, m), channel]``: several irreps, each with the same number of channels.

    The channel comes last so that every step of a Clebsch-Gordan product is a product over contiguous channels.
    Components run through the irreps in the order given, m = -l..l within each.

    >>> layout = Layout.of("8x0e + 8x1o")
    >>> layout.channels, layout.dim, layout.degrees
    (8, 4, (0, 1))
    """

    irreps: o3.Irreps
    channels: int

    def __post_init__(self) -> None:
        _ = (
            self.degrees,
            self.dim,
            self.starts,
        )  # found once, here: a compiler cannot enter the lock of a cached property

    @classmethod
    def of(cls, irreps: IrrepsLike, repeats: bool = False) -> "Layout":
        """Read e3nn irreps.

        Args:
            irreps: Irreps of equal multiplicity.
            repeats: Let an irrep occur more than once, as the paths of a tensor product do.

        Raises:
            LayerError: if the multiplicities differ, an irrep occurs twice that may not, or there is none.
        """
        parsed = read_irreps(irreps)
        multiplicities = {mul for mul, _ in parsed}
        twice = not repeats and len({ir for _, ir in parsed}) != len(parsed)
        if len(multiplicities) != 1 or twice or 0 in multiplicities:
            raise LayerError(
                "expected distinct irreps that all have the same number of channels, such as '64x0e + 64x1o', "
                f"got {str(parsed)!r}; other multiplicities, in e3nn's flat layout: TensorProduct for products, and on "
                "groups.o3().irreps(...) SharedLinear, Bilinear, GatedActivation, FieldBatchNorm and PointConv"
            )
        return cls(parsed, multiplicities.pop())

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


def to_e3nn(features: Float[Tensor, "atoms dim channels"], irreps: IrrepsLike) -> Float[Tensor, "atoms flat"]:
    """Rearrange features ``[atom, (l, m), channel]`` into e3nn's flat ``[atom, irreps.dim]``.

    Raises:
        LayerError: if the shape does not match the irreps.

    >>> to_e3nn(torch.zeros(5, 4, 8), "8x0e + 8x1o").shape
    torch.Size([5, 32])
    """
    layout = Layout.of(irreps, repeats=True)
    check_features(features, layout)
    blocks = features.split([2 * degree + 1 for degree in layout.degrees], dim=1)
    return torch.cat([block.transpose(1, 2).flatten(1) for block in blocks], dim=1)


def from_e3nn(features: Float[Tensor, "atoms flat"], irreps: IrrepsLike) -> Float[Tensor, "atoms dim channels"]:
    """Rearrange e3nn's flat ``[atom, irreps.dim]`` into features ``[atom, (l, m), channel]``: inverse of `to_e3nn`.

    Raises:
        LayerError: if the shape does not match the irreps.

    >>> x = torch.randn(5, 32)
    >>> bool(torch.equal(to_e3nn(from_e3nn(x, "8x0e + 8x1o"), "8x0e + 8x1o"), x))
    True
    """
    layout = Layout.of(irreps, repeats=True)
    if features.ndim != 2 or features.shape[1] != layout.irreps.dim:
        raise LayerError(f"expected shape [atoms, {layout.irreps.dim}] for {layout.irreps}, got {list(features.shape)}")
    blocks = features.split([ir.dim * layout.channels for _, ir in layout.irreps], dim=1)
    return torch.cat([block.unflatten(1, (layout.channels, -1)).transpose(1, 2) for block in blocks], dim=1)


def check_features(features: Tensor, layout: Layout, name: str = "features") -> None:
    """Compare a feature tensor with its layout.

    Raises:
        LayerError: if the shape is not ``[atoms, layout.dim, layout.channels]``, or the numbers are no floating-point ones.
    """
    if features.ndim != 3 or features.shape[1:] != (layout.dim, layout.channels):
        raise LayerError(
            f"expected {name} of shape [atoms, {layout.dim}, {layout.channels}] for irreps {layout.irreps}, "
            f"got {list(features.shape)}"
        )
    if not features.is_floating_point():
        raise LayerError(f"expected floating-point {name}, got {features.dtype}: convert them, as by features.float()")
