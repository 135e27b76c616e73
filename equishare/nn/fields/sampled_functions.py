"""Band-limited functions on a group, or on the space that it moves: their coefficients, and their values at points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Element, Group
from equishare.groups.on_cpu import on_cpu
from equishare.groups.orthogonal import OrthogonalGroup, RotationIrrep
from equishare.groups.representation import Representation, direct_sum
from equishare.nn.feature_types import require_whole
from equishare.nn.layer import EquivarianceError

GOLDEN = math.pi * (3 - math.sqrt(5))


@dataclass(frozen=True, eq=False)
class SampledFunctions:
    """Functions f(g) = sum over irreps of v^T rho(g)^-1 c, seen as coefficients c and as values at some elements.

    Functions on G / H have vectors v that H leaves alone. The group acts on the coefficients by ``field`` and moves the values, exactly
    where it moves the samples among themselves.

    Attributes:
        field: how the group acts on the coefficients: a sum of irreps.
        values: from coefficients to values, ``[samples, field.size]``.
        coefficients: from values to coefficients, by least squares, ``[field.size, samples]``.
    """

    field: Representation
    values: Float[Tensor, "samples size"]
    coefficients: Float[Tensor, "size samples"]

    @staticmethod
    @on_cpu
    def of(
        group: Group,
        degree: int | None = None,
        samples: int | None = None,
        space: Literal["group", "sphere"] | FiniteGroup = "group",
    ) -> SampledFunctions:
        """The functions up to a degree.

        Args:
            group: SO(2), O(2), SO(3), O(3) or a finite group, all of whose irreps are taken.
            degree: highest frequency or degree; for finite groups None.
            samples: points; by default four times as many as coefficients in the plane, eight times in space. For finite groups: all elements.
            space: the group itself, the unit sphere or circle, or a subgroup H of a finite group, for functions on its cosets.

        Raises:
            EquivarianceError: another group or space, or too few samples to tell the functions apart.

        >>> from equishare import groups
        >>> SampledFunctions.of(groups.so3(), 1).field, SampledFunctions.of(groups.o3(), 2, space="sphere").field
        (0e + 3*1e, 0e + 1o + 2e)
        >>> D4 = groups.dihedral(4)
        >>> SampledFunctions.of(D4, space=D4.subgroup(D4.generators[1])).field.size
        4
        """
        given = {"degree": degree, "samples": samples}
        require_whole(0, **{name: number for name, number in given.items() if number is not None})
        irreps = _irreps(group, degree)
        fixed = _stabiliser(group, space)
        rng = torch.Generator().manual_seed(0)
        probe = [group.random(rng) for _ in range(max(8, 2 * max(r.size for r in irreps) ** 2))]
        chosen: list[tuple[Representation, Tensor]] = []
        for irrep in irreps:
            vectors = _independent(irrep, _fixed_vectors(irrep, fixed), probe)
            if len(vectors):
                chosen.append((irrep, vectors))
        field = direct_sum(*((len(vectors), irrep) for irrep, vectors in chosen))
        elements = _samples(group, _enough(group) * field.size if samples is None else samples, space)
        columns = [_functionals(irrep, vectors, elements) for irrep, vectors in chosen]
        weight = math.sqrt(sum(len(vectors) * irrep.size for irrep, vectors in chosen))
        values = torch.cat(columns, dim=1) / weight
        if torch.linalg.matrix_rank(values) < field.size:
            raise EquivarianceError(f"{len(elements)} samples do not tell {field} apart: more of them are needed")
        return SampledFunctions(field, values, torch.linalg.pinv(values))


def _enough(group: Group) -> int:
    """Samples a coefficient that keep the error below a few percent."""
    return 8 if isinstance(group, OrthogonalGroup) and group.dimension == 3 else 4


def _irreps(group: Group, degree: int | None) -> list[Representation]:
    """Those up to a degree."""
    if isinstance(group, FiniteGroup) and degree is None:
        return list(group.irreps())
    if not isinstance(group, OrthogonalGroup) or degree is None or degree < 0:
        raise EquivarianceError(
            f"SO(2), O(2), SO(3) or O(3) with a degree from 0 up, or a finite group without one, expected, got {group}, {degree}"
        )
    if group.dimension == 2:
        ends = [group.trivial(), group.sign()] if group.improper else [group.trivial()]
        return ends + [group.irrep(m) for m in range(1, degree + 1)]
    parities = "eo" if group.improper else "e"
    return [group.irreps(f"{m}{p}") for m in range(degree + 1) for p in parities]


def _stabiliser(group: Group, space: Literal["group", "sphere"] | FiniteGroup) -> list[Element]:
    """Elements that leave a point of the space alone, and generate (densely) all that do."""
    if isinstance(space, FiniteGroup) and isinstance(group, FiniteGroup):
        return list(space.generators)
    if space == "group":
        return []
    if space != "sphere" or not isinstance(group, OrthogonalGroup):
        raise EquivarianceError(
            f"the group, its sphere, or a subgroup of a finite group expected, got {space!r} for {group}"
        )
    mirror = torch.diag(torch.tensor([-1.0] + [1.0] * (group.dimension - 1), dtype=torch.float64))
    turns = [_turn(group.dimension, 0, 1, GOLDEN)] if group.dimension == 3 else []
    return turns + ([mirror] if group.improper else [])  # of the last axis


def _fixed_vectors(irrep: Representation, elements: list[Element]) -> Float[Tensor, "vectors size"]:
    """An orthonormal basis of the vectors that some elements leave alone."""
    eye = torch.eye(irrep.size, dtype=torch.float64)
    if not elements:
        return eye
    moved = torch.cat([irrep.matrix(h) - eye for h in elements])
    _, singular, right = torch.linalg.svd(moved)
    return right[singular < 1e-8]


def _functionals(irrep: Representation, vectors: Tensor, elements: list[Element]) -> Float[Tensor, "elements columns"]:
    """Values at some elements of the functions of each vector, a block of columns a vector; of length sqrt(size)."""
    if isinstance(irrep, RotationIrrep):
        matrices = irrep.matrices(torch.stack(elements))
    else:
        matrices = torch.stack([irrep.matrix(g) for g in elements])
    turned = vectors @ matrices.mT  # v^T rho(g)^-1, for orthogonal irreps
    return math.sqrt(irrep.size) * turned.flatten(1)


def _independent(irrep: Representation, vectors: Tensor, probe: list[Element]) -> Float[Tensor, "vectors size"]:
    """Those vectors that bring new functions: v and J v bring the same where J commutes with the group."""
    kept = vectors[:0]
    for v in vectors:
        more = torch.cat([kept, v[None]])
        if torch.linalg.matrix_rank(_functionals(irrep, more, probe), rtol=1e-8) == len(more) * irrep.size:
            kept = more
    return kept


def _samples(group: Group, count: int, space: Literal["group", "sphere"] | FiniteGroup) -> list[Element]:
    """Elements that are spread evenly."""
    if isinstance(group, FiniteGroup):
        return list(group.elements)
    if not isinstance(group, OrthogonalGroup):
        raise EquivarianceError(f"no samples of {group} are known")
    both = group.improper and space == "group"
    count = math.ceil(count / 2) if both else count
    if group.dimension == 2:
        found = [_turn(2, 0, 1, 2 * math.pi * k / count) for k in range(count)]
        flip = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))
    else:
        found = _sphere(count) if space == "sphere" else _rotations(count)
        flip = -torch.eye(3, dtype=torch.float64)
    return found + [g @ flip for g in found] if both else found


def _sphere(count: int) -> list[Tensor]:
    """Rotations that take the last axis to points of a spiral on the sphere."""
    found = []
    for k in range(count):
        height = 1 - (2 * k + 1) / count
        found.append(_turn(3, 0, 1, GOLDEN * k) @ _turn(3, 2, 0, math.acos(height)))
    return found


def _rotations(count: int) -> list[Tensor]:
    """Super-Fibonacci spirals (Alexa 2022, "Super-Fibonacci Spirals: Fast, Low-Discrepancy Sampling of SO(3)")."""
    phi, psi = math.sqrt(2), 1.533751168755204288118041
    found = []
    for k in range(count):
        s = k + 0.5
        r, big = math.sqrt(s / count), math.sqrt(1 - s / count)
        a, b = 2 * math.pi * s / phi, 2 * math.pi * s / psi
        x, y, z, w = r * math.sin(a), r * math.cos(a), big * math.sin(b), big * math.cos(b)
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        found.append(torch.tensor(rows, dtype=torch.float64))
    return found


def _turn(size: int, i: int, j: int, angle: float) -> Tensor:
    """From axis i towards axis j."""
    out = torch.eye(size, dtype=torch.float64)
    out[i, i] = out[j, j] = math.cos(angle)
    out[j, i], out[i, j] = math.sin(angle), -math.sin(angle)
    return out
