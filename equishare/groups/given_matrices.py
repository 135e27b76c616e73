"""Representations given by the matrices of the generators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.group import Element, GroupError
from equishare.groups.real_form import as_real
from equishare.groups.representation import Representation

if TYPE_CHECKING:
    from equishare.groups.finite import FiniteGroup


@dataclass(frozen=True, repr=False)
class GivenMatrices(Representation):
    """A representation given by the matrices of the generators, checked to be a homomorphism."""

    group: FiniteGroup
    key: tuple[tuple[float, ...], ...]  # the matrices, row by row
    name: str = field(default="given", compare=False)

    @staticmethod
    def of(group: FiniteGroup, matrices: Sequence[Tensor], name: str = "given") -> GivenMatrices:
        """The representation with these matrices of ``group.generators``."""
        rows = [as_real(m) for m in matrices]
        square = bool(rows) and rows[0].ndim == 2 and rows[0].shape[0] == rows[0].shape[1]
        if len(rows) != len(group.generators) or len({tuple(m.shape) for m in rows}) != 1 or not square:
            raise GroupError(
                f"{len(group.generators)} square matrices of one size are needed, one for each generator; "
                f"got shapes {[tuple(m.shape) for m in rows]}"
            )
        rep = GivenMatrices(group, tuple(tuple(m.reshape(-1).tolist()) for m in rows), name)
        rep._check()
        return rep

    @property
    def size(self) -> int:
        """The size of the matrices."""
        return round(len(self.key[0]) ** 0.5)

    @cached_property
    def _generator_matrices(self) -> Tensor:
        return torch.tensor(self.key, dtype=torch.float64).reshape(-1, self.size, self.size)

    @cached_property
    def _matrices(self) -> Tensor:
        """Rho of every element, by products along a spanning tree of the Cayley graph."""
        group = self.group
        table = torch.full((group.order, self.size, self.size), torch.nan, dtype=torch.float64)
        table[0] = torch.eye(self.size, dtype=torch.float64)
        known, queue = {0}, [0]
        for i in queue:
            for k, s in enumerate(group.generators):
                j = group.index(group.product(group.elements[i], s))
                if j not in known:
                    table[j] = table[i] @ self._generator_matrices[k]
                    known.add(j)
                    queue.append(j)
        return table

    def _check(self) -> None:
        """Every edge of the Cayley graph must agree: that is all relations of the group."""
        table = self._matrices
        scale = max(1.0, float(table.abs().max()))
        elements = self.group.element_array
        for k, s in enumerate(self.group.generators):
            target = self.group.indices(elements[:, np.asarray(s)])
            error = float((table @ self._generator_matrices[k] - table[torch.as_tensor(target)]).abs().max())
            if not error <= 1e-9 * scale:  # nor for a NaN
                raise GroupError(
                    f"the matrices are no representation of {self.group}: rho(g s) = rho(g) rho(s) fails by {error:.1e}"
                )

    def matrix(self, g: Element) -> Float[Tensor, "size size"]:
        """rho(g) from the table."""
        return self._matrices[self.group.index(g)]

    def __repr__(self) -> str:
        return f"{self.name}({self.group}, {self.size})"
