"""Tables on narrow terminals: no number is broken, no word is lost."""

import io

import pytest
from rich.console import Console
from rich.table import Column

from equishare.atoms import inspect, read_frames
from equishare.atoms.render import render
from equishare.narrow import FittingTable, print_pairs
from equishare.training.evaluation.errors import Errors, ErrorSet
from equishare.training.report.progress import TrainingProgress
from equishare.training.report.tables import element_table, error_table

ERRORS = {"energy": Errors(38.9, 45.5, -38.9, 5e4, 5), "forces": Errors(0.0113, 0.0145, 1e-6, 0.2, 798)}
SETS = {"AIMD_NVT": ErrorSet(1, ERRORS), "Vacancy_AIMD_NVT_300K": ErrorSet(14, ERRORS)}


def written(renderable, width):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(renderable)
    return stream.getvalue()


def words(text):
    return text.replace(",", " ").split()


@pytest.mark.parametrize("make", [lambda: error_table(SETS, "config_type"), lambda: element_table(SETS)])
@pytest.mark.parametrize("width", [80, 60, 40])
def test_errors_are_whole_at_every_width(make, width):
    text = written(make(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for value in ("38900", "45500", "-38900", "11.3", "14.5", "7.25", "AIMD_NVT", "Vacancy_AIMD_NVT_300K", "14"):
        assert words(text).count(value) >= 1, value


def test_a_wide_table_has_its_numbers_below_each_other():
    lines = written(error_table(SETS), 80).splitlines()
    assert [line.find("RMSE") + 4 for line in lines[:1]] == [lines[1].find("45500") + 5]


@pytest.mark.parametrize("width", [80, 60, 40, 30])
def test_an_inspection_says_all_its_numbers(width):
    frames = read_frames("ethanol@:60")
    text = written(render(inspect(frames[3:43], frames[43:50], frames[50:])), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    # a range may be broken between its numbers, a number may not
    assert {"-34.436", "-34.396", "240", "80", "40"} <= set(words(text))


def test_a_cell_without_heading_opens_what_follows():
    table = FittingTable("set", "", Column("MAE", justify="right"), Column("RMSE", justify="right"))
    table.add_row("test", "energy", "123456", "234567")
    table.add_row("", "forces", "345678", "456789")
    lines = [line.rstrip() for line in written(table, 22).splitlines()]
    assert lines == ["test", "  energy", "  MAE 123456,", "  RMSE 234567", "  forces", "  MAE 345678,", "  RMSE 456789"]


def test_pairs_are_lines_where_there_is_no_terminal():
    pairs = [("Network", "1 layers, 64 channels, cutoff 5 Å, receptive field 5 Å"), ("E0", "Li -1.819")]
    for terminal, lines in ((False, 2), (True, 3)):
        stream = io.StringIO()
        print_pairs(Console(file=stream, width=40, force_terminal=terminal, color_system=None), pairs)
        assert len(stream.getvalue().splitlines()) == lines
    assert stream.getvalue().splitlines()[1].startswith(" " * 9)


@pytest.mark.parametrize("width", [80, 60, 40])
def test_a_line_of_training_stays_a_line(width):
    stream = io.StringIO()
    progress = TrainingProgress(Console(file=stream, width=width, color_system=None))
    row = {"epoch": 1234.5, "seconds": 5999, "train_loss": 1.234e-5, "learning_rate": 1.2e-3, "kept": True}
    row |= {"valid_energy_rmse_per_atom": 0.0123, "valid_forces_rmse": 0.0456, "valid_stress_rmse": 1e-4}
    progress.on_row(row)
    names, units, line = stream.getvalue().splitlines()
    assert max(len(each) for each in (names, units, line)) <= width
    assert "45.6" in line
    assert line.endswith("kept")
