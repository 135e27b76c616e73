import subprocess
import sys
from importlib.metadata import entry_points

pytest_plugins = ["pytester"]

TESTS = """
import pytest, torch
from equishare.check import geometric

claim = geometric("forces", "forces")
x = torch.ones(3, 3).cumsum(0)

def test_sound(equivariance):
    assert equivariance(lambda v: 2 * v, x, claim).passed

def test_broken(equivariance):
    equivariance(torch.nn.Tanh(), x, claim)

@pytest.mark.equivariance(tolerance=10.0, samples=3)
def test_tolerated(equivariance):
    report = equivariance(torch.nn.Tanh(), x, claim)
    assert report.worst.samples == 3

@pytest.mark.equivariance(tolerence=10.0)
def test_misspelled(equivariance):
    equivariance(torch.nn.Tanh(), x, claim)
"""


def test_fixture_and_marker(pytester):
    pytester.makepyfile(TESTS)
    installed = any(e.value == "equishare.check.pytest_plugin" for e in entry_points(group="pytest11"))
    options = [] if installed else ["-p", "equishare.check.pytest_plugin"]
    result = pytester.runpytest_inprocess("--strict-markers", *options)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*not equivariant*", "*breaks at Tanh*"])
    result.stdout.fnmatch_lines(["*no option 'tolerence'; did you mean 'tolerance'?*"])


def test_it_costs_nothing_unused():
    code = "import sys, equishare.check.pytest_plugin; sys.exit('torch' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
