"""What is written on terminals that are too narrow for a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text


class FittingTable(Table):
    """A table without lines that never breaks a number: where there are too few columns, its rows are written below each other.

    Columns to the left hold words, which may be wrapped, those to the right numbers, which may not.

    >>> table = FittingTable("name", Column("error", justify="right"))
    >>> table.add_row("forces of all frames", "0.0123")
    >>> Console(width=30).print(table)
    name                  error
    forces of all frames 0.0123
    >>> Console(width=12).print(table)  # doctest: +NORMALIZE_WHITESPACE
    forces of
    all frames
      error
      0.0123
    """

    def __init__(self, *headers: Column | str, **options: Any) -> None:
        plain = {"box": None, "pad_edge": False, "header_style": "bold", "collapse_padding": True}
        super().__init__(*headers, **{**plain, **options})

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        needed = len(self.columns) - 1
        for column in self.columns:
            sizes = [Measurement.get(console, options.update(max_width=1000), cell) for cell in self._texts(column)]
            number = column.justify == "right" and column.overflow != "fold"
            column.no_wrap = number or column.no_wrap
            width = max((size.maximum if column.no_wrap else size.minimum for size in sizes), default=0)
            column.min_width = width
            needed += width
        if needed <= options.max_width or len(self.columns) < 2:
            yield from super().__rich_console__(console, options)
        else:
            yield from self._records(options.max_width)

    def _texts(self, column: Column) -> list[RenderableType]:
        return [column.header, *column.cells]

    def _records(self, width: int) -> Iterator[RenderableType]:
        """Each row: its first cell, and below it the others with their headings."""
        first, *others = self.columns
        for row, title in enumerate(first.cells):
            if str(title):
                yield Text(str(title), self.header_style or "")
            said: list[str] = []
            for column in others:
                heading, cell = " ".join(str(column.header).split()), str(list(column.cells)[row])
                if cell and heading:
                    said.append(f"{heading} {cell}")
                elif cell:
                    yield from _lines(said, width)
                    yield from _lines([cell], width)
                    said = []
            yield from _lines(said, width)


def _lines(said: Sequence[str], width: int) -> Iterator[RenderableType]:
    """What is said, as many to a line as it holds, with commas between."""
    line = ""
    for number, each in enumerate(said, start=1):
        each += "," * (number < len(said))
        if line and len(line) + 1 + len(each) > width - 2:
            yield Padding(Text(line), (0, 0, 0, 2), expand=False)
            line = ""
        line += " " * bool(line) + each
    if line:
        yield Padding(Text(line), (0, 0, 0, 2), expand=False)


def print_pairs(console: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Print a name and a text a line; on a terminal what does not fit goes on below the text, elsewhere lines are as long as they are."""
    pairs = list(pairs)
    wide = max((len(name) for name, _ in pairs), default=0) + 2
    if not console.is_terminal:
        for name, text in pairs:
            console.print(f"{name:<{wide}}{text}", soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in pairs:
        table.add_row(Text(name), Text(text))
    console.print(table)
