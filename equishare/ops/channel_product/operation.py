"""The channel-wise Clebsch-Gordan product, closed under two derivatives."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from equishare.errors import LayerError
from equishare.ops.axes import check_axes
from equishare.ops.backend import implementation
from equishare.ops.channel_product import torch as formula
from equishare.ops.channel_product.coupling import Coupling
from equishare.ops.closed import closed
from equishare.ops.threads import as_array, atom_ranges, run_ranges, total


def channel_product(
    left: Float[Tensor, "components_left atoms channels"],
    right: Float[Tensor, "components_right atoms channels"],
    weight: Float[Tensor, "kinds paths channels"],
    kind: Int[Tensor, "atoms"],
    coupling: Coupling,
) -> Float[Tensor, "components_out atoms channels"]:
    r"""Weighted sum over coupling paths, channel by channel.

    .. math:: z_n[l_3 m_3, c] = \sum_{p} w_{k(n), p, c} \sum_{m_1 m_2} C^{p}_{m_1 m_2 m_3} a_n[l_1 m_1, c]\, b_n[l_2 m_2, c]

    Each atom n uses the path weights of its kind. Component-major layout. For a symmetric coupling give the same
    tensor twice.

    Raises:
        LayerError: if shapes do not fit each other, or a kind has no weights.
    """
    check_axes(
        {"components_left": coupling.left.dim, "components_right": coupling.right.dim, "paths": len(coupling.paths)},
        left=(left, "components_left atoms channels"),
        right=(right, "components_right atoms channels"),
        weight=(weight, "kinds paths channels"),
        kind=(kind, "atoms"),
    )
    kernels = implementation(left)
    if kernels == "torch":
        return formula.channel_product(left, right, weight, kind, coupling)
    if kernels == "triton":
        from equishare.ops.channel_product.triton import join

        return join(left, right, weight, kind, coupling)
    if coupling.symmetric:
        return closed(SquareLoops(coupling, kind), left, weight)
    return closed(ProductLoops(coupling, kind), left, right, weight)


@dataclass(frozen=True)
class ProductLoops:
    """The product by compiled loops; factors are left, right and weight."""

    coupling: Coupling
    kind: Tensor

    def value(self, *factors: Tensor) -> Tensor:
        """The product."""
        from equishare.ops.channel_product import numba as loops

        left = factors[0]
        out = left.new_empty(self.coupling.out.dim, *left.shape[1:])
        ranges, arrays = self._ranges(left, 1), [*map(as_array, (*factors, self.kind))]
        kind, kinds = arrays[-1], len(factors[-1])
        if kind.size and not 0 <= kind.min() <= kind.max() < kinds:  # a loop would read whatever is there
            raise LayerError(f"expected kinds from 0 to {kinds - 1}, got {kind.min()} to {kind.max()}")
        run_ranges(loops.forward, ranges, *arrays, self.coupling.table(left.dtype), out.numpy())
        return out

    def formula(self, *factors: Tensor) -> Tensor:
        """The product in plain torch."""
        left, right, weight = factors
        return formula.channel_product(left, right, weight, self.kind, self.coupling)

    def gradient(self, grad: Tensor, *factors: Tensor, wanted: tuple[bool, ...]) -> tuple[Any, ...]:
        """Derivatives by both factors, and by the weight where it is wanted: the loop leaves it out else."""
        from equishare.ops.channel_product import numba as loops

        left, right, weight = factors
        of_left, of_right = torch.zeros_like(left), torch.zeros_like(right)
        ranges = self._ranges(left, 3)
        of_weight = weight.new_zeros(len(ranges), *(weight.shape if wanted[2] else (0, 0, 0)))
        g, a, b, w, z = map(as_array, (grad, *factors, self.kind))
        run_ranges(
            *(loops.backward, ranges, g, a, b, w, z, self.coupling.table(left.dtype)),
            *(of_left.numpy(), of_right.numpy()),
            own=(of_weight,),
        )
        return of_left, of_right, total(of_weight) if wanted[2] else None

    def second(self, grad: Tensor, factors: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Derivative of value and gradient along the tangents."""
        from equishare.ops.channel_product import numba as loops

        left, right, weight = factors
        of_grad, of_left, of_right = map(torch.zeros_like, (grad, left, right))
        ranges = self._ranges(left, 6)
        of_weight = weight.new_zeros(len(ranges), *weight.shape)
        arrays = map(as_array, (grad, *factors, *tangents, self.kind))
        run_ranges(
            *(loops.second, ranges),
            *(*arrays, self.coupling.table(left.dtype)),
            *(of_grad.numpy(), of_left.numpy(), of_right.numpy()),
            own=(of_weight,),
        )
        return of_grad, of_left, of_right, total(of_weight)

    def _ranges(self, left: Tensor, passes: int) -> list[tuple[int, int]]:
        """Ranges of atoms for a loop that passes so many times over the entries."""
        _, n_atoms, channels = left.shape
        return atom_ranges(n_atoms, passes * len(self.coupling.entries) * n_atoms * channels)


@dataclass(frozen=True)
class SquareLoops:
    """The product of a feature with itself by the same loops; factors are the feature and the weight."""

    coupling: Coupling
    kind: Tensor

    @property
    def _product(self) -> ProductLoops:
        return ProductLoops(self.coupling, self.kind)

    def value(self, *factors: Tensor) -> Tensor:
        """The product."""
        both, weight = factors
        return self._product.value(both, both, weight)

    def formula(self, *factors: Tensor) -> Tensor:
        """The product in plain torch."""
        both, weight = factors
        return self._product.formula(both, both, weight)

    def gradient(self, grad: Tensor, *factors: Tensor, wanted: tuple[bool, ...]) -> tuple[Any, ...]:
        """The sum of the derivatives by both factors."""
        both, weight = factors
        left, right, of_weight = self._product.gradient(grad, both, both, weight, wanted=(True, True, wanted[1]))
        return left + right, of_weight

    def second(self, grad: Tensor, factors: tuple[Tensor, ...], tangents: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """As `ProductLoops.second`, both factors in one."""
        (both, weight), (along, of_weight) = factors, tangents
        of_grad, left, right, last = self._product.second(grad, (both, both, weight), (along, along, of_weight))
        return of_grad, left + right, last
