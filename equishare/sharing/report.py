"""What is shared in a module: weights stored, weights of the untied equivalent, and who shares with whom."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError, SharingPattern
from equishare.sharing.shared_weights import SharedWeight, SharedWeights
from equishare.sharing.tie import Expanded
from equishare.sharing.toeplitz import PADDING_MODES, toeplitz

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LARGEST_PICTURE = 250_000  # entries
_Calls = list[tuple[tuple[int, ...], tuple[int, ...]]]  # shapes of input and output, call by call


@dataclass(frozen=True)
class Row:
    """One stored parameter: its names, its size, and the size of its untied equivalent."""

    names: tuple[str, ...]
    kind: str
    stored: int
    untied: int
    pattern: SharingPattern | None = field(default=None, repr=False)

    @property
    def ratio(self) -> float:
        """Untied weights for each stored one."""
        return self.untied / self.stored if self.stored else math.nan


@dataclass(frozen=True)
class Report:
    """The sharing in a module, parameter by parameter; prints as a table."""

    rows: tuple[Row, ...]

    @property
    def stored(self) -> int:
        """Weights stored."""
        return sum(row.stored for row in self.rows)

    @property
    def untied(self) -> int:
        """Weights of the equivalent in which nothing is shared."""
        return sum(row.untied for row in self.rows)

    @property
    def ratio(self) -> float:
        """Untied weights for each stored one."""
        return self.untied / self.stored if self.stored else math.nan

    @property
    def ties(self) -> tuple[tuple[str, ...], ...]:
        """The names of tensors that are one and the same."""
        return tuple(row.names for row in self.rows if len(row.names) > 1)

    def table(self) -> str:
        """The report as text."""
        from rich.console import Console
        from rich.table import Table

        table = Table("weight", "sharing", "stored", "untied", "ratio")
        for column in table.columns[2:]:
            column.justify = "right"
        for row in self.rows:
            table.add_row("\n= ".join(row.names), row.kind, f"{row.stored:,}", f"{row.untied:,}", f"{row.ratio:.4g}")
        table.add_section()
        table.add_row("total", "", f"{self.stored:,}", f"{self.untied:,}", f"{self.ratio:.4g}")
        text = io.StringIO()
        Console(file=text, width=100, color_system=None).print(table)
        return text.getvalue()

    def __str__(self) -> str:
        return self.table()

    def picture(self) -> Figure:
        """The pattern matrices, one panel each, coloured by base weight; tied tensors are rows of equal colours.

        Patterns of a single base weight are drawn only where there is no other.

        Raises:
            SharingError: nothing is shared in the module, or nothing small enough to draw.
        """
        drawn = [row for row in self.rows if row.pattern is not None and row.pattern.numel <= LARGEST_PICTURE]
        drawn = [row for row in drawn if row.pattern is not None and row.pattern.n_free > 1] or drawn
        if not drawn:
            raise SharingError(
                "no weight of the module is shared in a pattern that is small enough to draw; give report() an "
                "example input if convolutions are to count"
            )
        return picture({row.names[0]: row.pattern for row in drawn if row.pattern is not None})


def picture(patterns: SharingPattern | Mapping[str, SharingPattern]) -> Figure:
    """Pattern matrices by base weight: equal colours are equal weights (up to sign), white is zero.

    >>> from equishare import groups, sharing
    >>> points = groups.symmetric(4).permutation()
    >>> picture(sharing.solve(points * points, points)).axes[0].get_title()
    '64 from 5'
    """
    import numpy as np
    from matplotlib.figure import Figure

    if isinstance(patterns, SharingPattern):
        patterns = {"": patterns}
    columns = min(4, len(patterns))
    lines = math.ceil(len(patterns) / columns)
    figure = Figure(figsize=(4.5 * columns, 3.2 * lines), layout="constrained")
    for k, (name, pattern) in enumerate(patterns.items()):
        axes = figure.add_subplot(lines, columns, k + 1)
        rows = pattern.as_matrix().abs().cpu().numpy().round(9)
        _, colour = np.unique(rows, axis=0, return_inverse=True)
        scattered = (colour.ravel() * 0.6180339887) % 1.0  # neighbours in number are far apart in colour
        shape: Literal["equal", "auto"] = (
            "equal" if 0.25 < pattern.shape[0] / (pattern.numel / pattern.shape[0]) < 4 else "auto"
        )
        image = np.ma.masked_where(~rows.any(axis=1), scattered).reshape(pattern.shape[0], -1)
        axes.imshow(image, cmap="viridis", vmin=0, vmax=1, interpolation="nearest", aspect=shape)
        axes.set_title(f"{name}\n{pattern.numel} from {pattern.n_free}".strip(), fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def _observe(module: nn.Module, example: Any) -> dict[nn.Module, list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """Input and output shapes of every call of every submodule on an example."""
    calls: dict[nn.Module, _Calls] = {}

    def hook(m: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        first = args[0] if args and isinstance(args[0], Tensor) else None
        calls.setdefault(m, []).append(
            (
                tuple(first.shape) if first is not None else (),
                tuple(output.shape) if isinstance(output, Tensor) else (),
            )
        )

    handles = [m.register_forward_hook(hook) for m in module.modules()]
    training = {m: m.training for m in module.modules()}
    try:
        module.eval()
        with torch.no_grad():
            module(*example) if isinstance(example, tuple) else module(example)
    finally:
        for handle in handles:
            handle.remove()
        for m, mode in training.items():
            m.training = mode
    return calls


def _local_patterns(module: nn.Module) -> dict[str, SharedWeight]:
    """Patterns of a module's own parameters, under the names by which they are stored."""
    if isinstance(module, SharedWeights):
        return module.shared_weights()
    found = {}
    if parametrize.is_parametrized(module):
        for name, chain in module.parametrizations.items():  # type: ignore[union-attr, operator]
            if isinstance(chain[0], Expanded):
                found[f"parametrizations.{name}.original"] = SharedWeight(chain[0].pattern, 1, False)
    return found


def _toeplitz_of(module: nn.Module, shape: tuple[int, ...]) -> SharingPattern | None:
    """The pattern of one channel pair of a plain convolution, where it is small enough to draw."""
    grid = shape[2:]
    if (
        not isinstance(module, _CONVOLUTIONS)
        or isinstance(module.padding, str)
        or math.prod(grid) ** 2 > LARGEST_PICTURE
    ):
        return None
    if module.padding_mode not in PADDING_MODES:
        return None
    return toeplitz(
        module.kernel_size,
        grid,
        stride=module.stride,
        padding=module.padding,
        dilation=module.dilation,
        padding_mode=module.padding_mode,
    )


def report(module: nn.Module, example: Any = None) -> Report:
    """Count the weights that a module stores against those of its untied equivalent.

    Every use of a weight counts as a weight of its own: each name of a tied parameter, each entry that a
    pattern expands it to, and, with an example input, each call of a module and each output position of a
    convolution (whose untied equivalent is a locally connected layer).

    Args:
        module: any torch module.
        example: an input (or a tuple of inputs) to run once, in eval mode.

    >>> print(report(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 32, 32)).ratio)   # 10 weights against 30 * 30 * 10
    900.0
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"a torch.nn.Module is expected, got {type(module).__name__}")
    calls = _observe(module, example) if example is not None else {}
    entries: dict[int, _Entry] = {}
    visited: set[nn.Module] = set()
    for prefix, child in module.named_modules(remove_duplicate=False):
        shapes = calls.get(child, [])
        counted = child in visited and bool(shapes)  # its calls were counted under its first name
        visited.add(child)
        local = _local_patterns(child)
        for path, parameter in _own_parameters(child):
            entry = entries.setdefault(id(parameter), _Entry(parameter))
            entry.names.append(f"{prefix}.{path}" if prefix else path)
            if not counted:
                entry.add_use(child, path, local.get(path), shapes)
    return Report(tuple(entry.row() for entry in entries.values()))


class _Entry:
    """What is found out about one stored parameter."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = parameter
        self.names: list[str] = []
        self.kinds: set[str] = set()
        self.untied = 0
        self.pattern: SharingPattern | None = None

    def add_use(self, module: nn.Module, path: str, shared: SharedWeight | None, shapes: _Calls) -> None:
        """Count one module that uses the parameter, with the shapes of its calls."""
        entries, repeats = self.parameter.numel(), max(1, len(shapes))
        if shared is not None:
            entries = shared.copies * shared.pattern.numel
            self.kinds.add("pattern")
            self.pattern = shared.pattern
        if shapes and (isinstance(module, _CONVOLUTIONS) or (shared is not None and shared.spatial)):
            repeats = sum(math.prod(output[2:]) for _, output in shapes)
            self.kinds.add("translations")
            if path == "weight" and self.pattern is None:
                self.pattern = _toeplitz_of(module, shapes[0][0])
        if len(shapes) > 1:
            self.kinds.add(f"{len(shapes)} calls")
        self.untied += entries * repeats

    def row(self) -> Row:
        """The finished row."""
        kinds = self.kinds | ({"tied"} if len(self.names) > 1 else set())
        kind = ", ".join(sorted(kinds)) or "none"
        stored, pattern = self.parameter.numel(), self.pattern
        if pattern is None and len(self.names) > 1 and stored * len(self.names) <= LARGEST_PICTURE:
            pattern = IndexPattern(torch.arange(stored).repeat(len(self.names), 1))  # one row a name
        return Row(tuple(self.names), kind, stored, self.untied, pattern)


def _own_parameters(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """A module's own parameters; the originals of its parametrizations are its own too."""
    if isinstance(module, parametrize.ParametrizationList):
        return []
    own = [(name, p) for name, p in module._parameters.items() if p is not None]
    if parametrize.is_parametrized(module):
        for name, chain in module.parametrizations.items():  # type: ignore[union-attr, operator]
            own += [(f"parametrizations.{name}.{n}", p) for n, p in chain.named_parameters(recurse=False)]
    return own
