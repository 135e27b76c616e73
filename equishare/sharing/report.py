"""What is shared in a module: weights stored, weights of the untied equivalent, and who shares with whom."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError, SharingPattern
from equishare.sharing.pattern_picture import LARGEST_PICTURE, picture
from equishare.sharing.shared_weights import Call, SharedWeight, SharedWeights
from equishare.sharing.tie import Expanded
from equishare.sharing.toeplitz import PADDING_MODES, toeplitz

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


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


def _observe(module: nn.Module, example: Any) -> dict[nn.Module, list[Call]]:
    """Shapes of every call of every submodule on an example."""
    calls: dict[nn.Module, list[Call]] = {}

    def hook(m: nn.Module, args: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
        given = tuple(tuple(x.shape) for x in (*args, *options.values()) if isinstance(x, Tensor))
        first = output[0] if isinstance(output, tuple) and output else output
        calls.setdefault(m, []).append(Call(given, tuple(first.shape) if isinstance(first, Tensor) else ()))

    handles = [m.register_forward_hook(hook, with_kwargs=True) for m in module.modules()]
    training = {m: m.training for m in module.modules()}
    try:
        module.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            module(*example) if isinstance(example, tuple) else module(example)
    finally:
        for handle in handles:
            handle.remove()
        for m, mode in training.items():
            m.training = mode
    return calls


def _declared(module: nn.Module, call: Call | None) -> dict[str, SharedWeight]:
    """What a module says of its shared weights in one call, under the names by which they are stored."""
    if isinstance(module, SharedWeights):
        return module.shared_weights(call)
    found = {}
    if parametrize.is_parametrized(module):
        for name, chain in module.parametrizations.items():  # type: ignore[union-attr, operator]
            if isinstance(chain[0], Expanded):
                found[f"parametrizations.{name}.original"] = SharedWeight.of(chain[0].pattern)
    elif isinstance(module, _CONVOLUTIONS) and call is not None:
        for name, parameter in module.named_parameters(recurse=False):
            pattern = _toeplitz_of(module, call.inputs[0]) if name == "weight" else None
            positions = math.prod(call.output[-len(module.kernel_size) :])  # a batch there may be or not
            found[name] = SharedWeight(parameter.numel() * positions, ("translations",), pattern)
    return found


def _toeplitz_of(module: nn.Module, shape: tuple[int, ...]) -> SharingPattern | None:
    """The pattern of one channel pair of a plain convolution, where it is small enough to draw."""
    if not isinstance(module, _CONVOLUTIONS) or isinstance(module.padding, str):
        return None
    grid = shape[-len(module.kernel_size) :]
    if math.prod(grid) ** 2 > LARGEST_PICTURE or module.padding_mode not in PADDING_MODES:
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

    Every use of a weight counts as a weight of its own: each name of a tied parameter, each entry that a layer says its
    base weights fill (``SharedWeights``), and, with an example input, each call of a module and each output position
    of a convolution (whose untied equivalent is a locally connected layer), each point of a set, each atom and edge.

    Args:
        module: any torch module.
        example: an input (or a tuple of inputs) to run once, in eval mode.

    Raises:
        SharingError: what is given is no module.

    >>> print(report(nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 32, 32)).ratio)   # 10 weights against 30 * 30 * 10
    900.0
    """
    if not isinstance(module, nn.Module):
        raise SharingError(f"a torch.nn.Module is expected, got {type(module).__name__}")
    calls = _observe(module, example) if example is not None else {}
    entries: dict[int, _Entry] = {}
    declared: dict[str, list[SharedWeight]] = {}
    factors = {"": 1.0}
    visited: set[nn.Module] = set()
    for prefix, child in module.named_modules(remove_duplicate=False):
        own_calls = calls.get(child, [])
        counted = child in visited and bool(own_calls)  # its calls were counted under its first name
        visited.add(child)
        claimed = set(declared)  # what a module says of its parts goes before what they say themselves
        seen: list[Call | None] = [*own_calls] or [None]
        for call in seen:
            for path, shared in _declared(child, call).items():
                if _joined(prefix, path) not in claimed:
                    declared.setdefault(_joined(prefix, path), []).append(shared)
        for name, part in child._modules.items():  # under every name that it has
            factors[_joined(prefix, name)] = factors[prefix] * _unseen_uses(child, part, calls)
        for path, parameter in _own_parameters(child):
            entry = entries.setdefault(id(parameter), _Entry(parameter))
            entry.names.append(_joined(prefix, path))
            if not counted:
                entry.add_use(declared.get(_joined(prefix, path), []), len(own_calls), factors[prefix])
    return Report(tuple(entry.row() for entry in entries.values()))


def _joined(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if prefix else path


def _unseen_uses(module: nn.Module, part: nn.Module, calls: dict[nn.Module, list[Call]]) -> float:
    """Uses of a part by its module for each call of the part that was seen: 2 where twins go through as one batch."""
    if not isinstance(module, SharedWeights) or module.uses == 1:
        return 1.0
    return module.uses * max(1, len(calls.get(module, []))) / max(1, len(calls.get(part, [])))


class _Entry:
    """What is found out about one stored parameter."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = parameter
        self.names: list[str] = []
        self.kinds: set[str] = set()
        self.untied = 0
        self.pattern: SharingPattern | None = None

    def add_use(self, declared: list[SharedWeight], calls: int, factor: float) -> None:
        """Count one module that uses the parameter: what was declared in each of its calls, or else the calls."""
        entries = sum(shared.untied for shared in declared) or self.parameter.numel() * max(1, calls)
        for shared in declared:
            self.kinds |= set(shared.how)
            self.pattern = shared.pattern if self.pattern is None else self.pattern
        if calls > 1:
            self.kinds.add(f"{calls} calls")
        if factor != 1:
            self.kinds.add(f"{factor:g} uses")
        self.untied += round(entries * factor)

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
