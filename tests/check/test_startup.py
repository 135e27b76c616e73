"""A check loads what it needs: neither torch's compiler, nor sympy, nor the statistics of scipy."""

import subprocess
import sys

HEAVY = ("sympy", "torch._dynamo", "scipy.stats")
CODE = """
import sys, torch
from equishare.check import equivariance, point_cloud
from equishare.check.command.prompt import app
pos = torch.randn(5, 3)
assert equivariance(lambda pos: torch.cdist(pos, pos).tanh().sum(), (pos,), point_cloud()).passed
rounded = lambda pos: torch.cdist(pos.float(), pos.float()).tanh().sum()
report = equivariance(rounded, (pos,), point_cloud())
assert report.passed and report.floor_method == "Monte Carlo arithmetic", report
print(*sys.modules)
"""


def test_no_heavy_library_is_loaded():
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)
    assert not set(HEAVY) & set(done.stdout.split())
