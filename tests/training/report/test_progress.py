"""Progress: a bar needs a terminal, not only a wish for colours."""

import io

import pytest
from rich.console import Console

from equishare.training.report.progress import TrainingProgress


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("file", "drawn"), [(_Terminal(), True), (io.StringIO(), False)])
def test_a_bar_is_drawn_on_terminals_only_though_color_is_forced(file, drawn):
    progress = TrainingProgress(Console(file=file, force_terminal=True, width=80))
    with progress:
        pass
    assert ("\x1b[?25l" in file.getvalue()) is drawn
