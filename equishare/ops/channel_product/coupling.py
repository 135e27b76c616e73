"""Sparse tables of Clebsch-Gordan products, as the kernels read them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equishare.ops.backend import transformed
from equishare.ops.clebsch_gordan import clebsch_gordan
from equishare.ops.layout import Layout


@dataclass(frozen=True, eq=False)
class Coupling:
    """Entries (path, out component, left component, right component, coefficient) of a channel-wise product.

    With ``symmetric=True`` both factors are one tensor: each pair of irreps is listed once, and within an irrep each pair of
    components once, with doubled coefficient.
    """

    left: Layout
    right: Layout
    out: Layout
    symmetric: bool
    paths: tuple[tuple[int, int, int], ...]
    entries: tuple[tuple[int, int, int, int, float], ...]

    def __post_init__(self) -> None:
        _ = self._made  # found here: a compiler cannot enter the lock of a cached property

    @classmethod
    def of(cls, left: Layout, right: Layout, out: Layout, symmetric: bool = False) -> "Coupling":
        """List every path that the selection rules of O(3) allow, with coefficients scaled to unit output variance."""
        paths: list[tuple[int, int, int]] = []
        entries: list[tuple[int, int, int, int, float]] = []
        for third, (_, ir3) in enumerate(out.irreps):
            for first, (_, ir1) in enumerate(left.irreps):
                for second, (_, ir2) in enumerate(right.irreps):
                    if ir3 not in ir1 * ir2 or (symmetric and second < first):
                        continue
                    if symmetric and first == second and (2 * ir1.l + ir3.l) % 2:
                        continue  # antisymmetric coupling of a tensor with itself vanishes
                    table = clebsch_gordan(ir1.l, ir2.l, ir3.l).numpy() * ir3.dim**0.5
                    for m1, m2, m3 in np.argwhere(np.abs(table) > 1e-12):
                        value = float(table[m1, m2, m3])
                        if symmetric and first == second:
                            if m1 > m2:
                                continue
                            value *= 1.0 if m1 == m2 else 2.0
                        entries.append(
                            (
                                len(paths),
                                out.starts[third] + int(m3),
                                left.starts[first] + int(m1),
                                right.starts[second] + int(m2),
                                value,
                            )
                        )
                    paths.append((first, second, third))
        entries.sort()
        return cls(left, right, out, symmetric, tuple(paths), tuple(entries))

    def table(self, dtype: torch.dtype) -> tuple[np.ndarray, ...]:
        """(term_ptr, term_path, term_component, left, right, coefficient): entries grouped by path and component."""
        if dtype not in self._made:
            table = np.array([entry[:4] for entry in self.entries], dtype=np.int64).reshape(-1, 4)
            new = np.ones(len(table), dtype=bool)
            new[1:] = (table[1:, :2] != table[:-1, :2]).any(axis=1)
            starts = np.flatnonzero(new)
            coefficient = np.array([entry[4] for entry in self.entries])
            self._made[dtype] = (
                np.append(starts, len(table)),
                np.ascontiguousarray(table[starts, 0]),
                np.ascontiguousarray(table[starts, 1]),
                np.ascontiguousarray(table[:, 2]),
                np.ascontiguousarray(table[:, 3]),
                coefficient.astype(np.float32 if dtype == torch.float32 else np.float64),
            )
        return self._made[dtype]

    def tensors(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(path, out component, left, right, coefficient) of each entry, for plain torch."""
        found = self._made.get((dtype, device))
        if found is not None:
            return found
        if torch.compiler.is_compiling() or transformed():  # what a compiler traces is not a tensor to keep
            return self._as_tensors(dtype, device)
        with torch.inference_mode(False):  # nor is one that no derivative may go through
            self._made[dtype, device] = found = self._as_tensors(dtype, device)
        return found

    def _as_tensors(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        index = torch.tensor([entry[:4] for entry in self.entries], device=device).reshape(-1, 4)
        coefficient = torch.tensor([entry[4] for entry in self.entries], dtype=dtype, device=device)
        return index[:, 0], index[:, 1], index[:, 2], index[:, 3], coefficient

    @cached_property
    def _made(self) -> dict[Any, Any]:
        """Tables by type, tensors by type and device."""
        return {}
