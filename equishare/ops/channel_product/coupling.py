"""Sparse tables of Clebsch-Gordan products, as the kernels read them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from equishare.ops.clebsch_gordan import clebsch_gordan
from equishare.ops.kept import kept
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
        *integers, coefficient = self._arrays
        return *integers, coefficient.astype(np.float32 if dtype == torch.float32 else np.float64)

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        table = np.array([entry[:4] for entry in self.entries], dtype=np.int64).reshape(-1, 4)
        new = np.ones(len(table), dtype=bool)
        new[1:] = (table[1:, :2] != table[:-1, :2]).any(axis=1)
        starts = np.flatnonzero(new)
        columns = table[starts, 0], table[starts, 1], table[:, 2], table[:, 3]
        coefficient = np.array([entry[4] for entry in self.entries], dtype=np.float64)
        return np.append(starts, len(table)), *map(np.ascontiguousarray, columns), coefficient

    @kept
    def tensors(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(path, out component, left, right, coefficient) of each entry, for plain torch."""
        index = torch.tensor([entry[:4] for entry in self.entries], device=device).reshape(-1, 4)
        coefficient = torch.tensor([entry[4] for entry in self.entries], dtype=dtype, device=device)
        return index[:, 0], index[:, 1], index[:, 2], index[:, 3], coefficient
