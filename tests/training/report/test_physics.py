"""What is timed is warmed up first, and the check is as thorough as its time allows."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes

from equishare.training.report import physics


class Compiling(Calculator):
    """Takes 3.2 s for its first evaluation and 1 ms for each that follows, by a clock of its own."""

    implemented_properties = ("energy", "forces")

    def __init__(self, clock):
        super().__init__()
        self.clock, self.calls = clock, 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.clock.passed += 0.001 if self.calls else 3.2
        self.calls += 1
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}


@pytest.fixture
def compiling(monkeypatch):
    clock = SimpleNamespace(passed=0.0)
    monkeypatch.setattr("equishare.clock.time", SimpleNamespace(perf_counter=lambda: clock.passed))
    calculator = Compiling(clock)
    return SimpleNamespace(calculator=lambda: calculator)


def test_a_compiling_evaluation_is_not_timed(compiling):
    assert physics.evaluation_seconds(compiling, molecule("H2O")) == pytest.approx(0.001)


def test_a_fast_potential_is_checked_for_everything(compiling, monkeypatch):
    asked = {}
    monkeypatch.setattr("equishare.check.calculator", lambda calculator, atoms, **options: asked.update(options))
    physics.check(compiling, molecule("H2O"), allowed=12.0)
    assert asked == {"samples": 3, "scan": True, "dynamics": True}


@pytest.mark.parametrize("allowed", [0.05, 0.2, 0.6, 2.0])
def test_a_slow_one_is_checked_for_what_fits(allowed):
    assert physics.expected_seconds(0.001, allowed) <= max(allowed, 0.04)
