"""Progress: a bar needs a terminal, not only a wish for colours."""

import io

import pytest
from rich.console import Console

from equishare.atoms import PROPERTIES
from equishare.training.evaluation.errors import quantities
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


@pytest.mark.parametrize("names", [("energy", "forces"), ("energy", "forces", "stress"), tuple(PROPERTIES)])
@pytest.mark.parametrize("width", [80, 60])
def test_the_table_fits(names, width):
    """Names over units over numbers; no line is broken, whatever is learnt."""
    file = io.StringIO()
    progress = TrainingProgress(Console(file=file, width=width))
    known = {f"valid_{q.metric('rmse')}": 123.0 for q in quantities() if q.row.name in names}
    row = {"epoch": 10000, "seconds": 86400.0, "train_loss": 1.234e-5, "learning_rate": 1.2e-3, "kept": 1, **known}
    with progress:
        progress.on_row(row)
    heading, units, numbers = file.getvalue().splitlines()
    assert max(len(heading), len(units), len(numbers)) <= width
    assert "meV" in units
    assert numbers.endswith("1.2e-03  kept")
    assert len(heading.replace(" RMSE", "").replace("train loss", "loss").split()) + 1 == len(numbers.split())
    assert ("forces" in heading) or width < 80


def test_it_says_where_the_run_is_likely_to_end():
    """Once at a quarter and once at half of the budget, by the power law of the recorded runs; and never worse than it is."""
    file = io.StringIO()
    progress = TrainingProgress(Console(file=file, width=80))
    row = {"epoch": 1, "seconds": 1.0, "train_loss": 0.1, "learning_rate": 1e-3, "kept": 1}
    with progress:
        for progress.fraction, error in (
            (0.1, 0.3),
            (0.12, 0.2),
            (0.25, 0.1),
            (0.3, 0.06),
            (0.4, 0.05),
            (0.52, 0.05),
            (1.0, 0.04),
        ):
            progress.on_row(row | {"valid_forces_rmse": error})
    said = [line.partition("RMSE ")[2] for line in file.getvalue().splitlines() if "Likely" in line]
    assert said == ["33 to 60.7 meV/Å", "28.6 to 34.7 meV/Å"]


def test_of_few_validations_it_says_nothing():
    file = io.StringIO()
    progress = TrainingProgress(Console(file=file, width=80))
    row = {"epoch": 1, "seconds": 1.0, "train_loss": 0.1, "learning_rate": 1e-3, "kept": 1}
    with progress:
        for progress.fraction, error in ((0.12, 0.2), (0.25, 0.1), (0.5, 0.05), (1.0, 0.04)):
            progress.on_row(row | {"valid_forces_rmse": error})
    assert "Likely" not in file.getvalue()
