"""Temporaries of some megabytes are not faulted in again once freed memory is kept."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from equishare import groups, nn

torch.set_num_threads(1)
if sys.argv[1] == "separable":
    nn.SeparableGroupConv2d(groups.cyclic(4), 1, 1, 3)
x = torch.ones(2**21)  # 8 MiB: a quarter of the temporaries below

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [x + 1 for _ in range(4)]
    del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

[faults() for _ in range(3)]
print(min(faults() for _ in range(5)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="how glibc keeps memory")
def test_a_separable_convolution_keeps_freed_memory():
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "LD_PRELOAD", "GLIBC_"))}

    def faults(what):
        run = [sys.executable, "-c", SCRIPT, what]
        return int(subprocess.run(run, capture_output=True, text=True, check=True, env=plain).stdout)

    assert faults("nothing") > 1000  # 4 KiB a page: the 32 MiB are 8192 faults, or fewer with larger pages
    assert faults("separable") < 100
