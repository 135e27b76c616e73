"""The coupling paths of a tensor product with harmonics, as the kernels read them."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from equishare._e3nn import o3
from equishare.errors import LayerError
from equishare.ops.clebsch_gordan import clebsch_gordan
from equishare.ops.layout import Layout


@dataclass(frozen=True, eq=False)
class TensorProductPaths:
    """Paths (l1, l2) -> l3, each with components of its own in the output: `out` holds one irrep a path.

    `factors` names, for each irrep of `out`, the irreps of `left` and `right` that it comes from.
    """

    left: Layout
    right: Layout
    out: Layout
    factors: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        _ = self.coefficients, self.name  # found here: what a compiler traces is not a number to keep

    @classmethod
    def of(cls, left: Layout, right: Layout, wanted: list[o3.Irrep]) -> "TensorProductPaths":
        """List every path that the selection rules of O(3) allow to the irreps wanted, in their order."""
        found = [
            (third, first, second)
            for third in wanted
            for first, (_, ir1) in enumerate(left.irreps)
            for second, (_, ir2) in enumerate(right.irreps)
            if third in ir1 * ir2
        ]
        if not found:
            raise LayerError(f"no path from {left.irreps} x {right.irreps} to any of {[str(ir) for ir in wanted]}")
        out = Layout.of(o3.Irreps([(left.irreps[first].mul, third) for third, first, _ in found]), repeats=True)
        return cls(left, right, out, tuple((first, second) for _, first, second in found))

    @cached_property
    def name(self) -> str:
        """Left, right and wanted irreps in a text, which a graph can hold."""
        wanted = dict.fromkeys(ir for _, ir in self.out.irreps)
        return f"{self.left.irreps}|{self.right.irreps}|{'+'.join(map(str, wanted))}"

    @staticmethod
    @cache
    def named(name: str) -> "TensorProductPaths":
        """The paths of a name."""
        left, right, wanted = (Layout.of(part) for part in name.split("|"))
        return TensorProductPaths.of(left, right, [ir for _, ir in wanted.irreps])

    def __len__(self) -> int:
        return len(self.factors)

    @cached_property
    def coefficients(self) -> tuple[Tensor, ...]:
        """For each path the coupling tensor ``[2 l1 + 1, 2 l2 + 1, 2 l3 + 1]`` in float64, of unit output variance."""
        left, right, out = self.left.degrees, self.right.degrees, self.out.degrees
        return tuple(
            clebsch_gordan(left[first], right[second], third) * (2 * third + 1) ** 0.5
            for (first, second), third in zip(self.factors, out, strict=True)
        )

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        paths, entries, values = [], [], []
        start = 0
        for (first, second), k, table in zip(self.factors, self.out.starts, self.coefficients, strict=True):
            d1, _, d3 = table.shape
            paths.append((self.left.starts[first], d1, k, d3, start))
            for m1, m2, m3 in table.nonzero().tolist():
                entries.append((start + m3 * d1 + m1, self.right.starts[second] + m2))
                values.append(float(table[m1, m2, m3]))
            start += d1 * d3
        entry, component = np.array(entries, dtype=np.int64).T.copy()
        return np.array(paths, dtype=np.int64), entry, component, np.array(values)

    def table(self, dtype: torch.dtype) -> tuple[np.ndarray, ...]:
        """(paths, entry of M, component of Y, coefficient), as the compiled loops read it."""
        *integers, values = self._arrays
        return *integers, values.astype(np.float32 if dtype == torch.float32 else np.float64)

    def tensors(self, example: Tensor) -> list[tuple[slice, slice, Tensor]]:
        """For each path (components of left, components of right, coupling tensor), for plain torch."""
        left, right = self.left, self.right
        return [
            (
                slice(left.starts[first], left.starts[first] + table.shape[0]),
                slice(right.starts[second], right.starts[second] + table.shape[1]),
                table.to(example),
            )
            for (first, second), table in zip(self.factors, self.coefficients, strict=True)
        ]
