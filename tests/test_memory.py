"""Temporaries of some megabytes come from the process's own heap once freed memory is kept."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

# torch is imported once; memory is looked at in forks, for what is freed changes how the next is got
SCRIPT = """
import ctypes, os, sys
import torch
from equishare import groups, nn
from equishare.memory import keep_freed_memory

torch.set_num_threads(1)
case = next((case for case in ("nothing", "layers", "kept") if not os.fork()), None)
if case is None:
    sys.exit(max(os.wait()[1] for _ in range(3)) > 0)
if case == "layers":
    nn.SeparableGroupConv2d(groups.cyclic(4), 1, 1, 3)
    nn.ChannelTensorProduct("8x0e + 8x1o", "0e + 1o")
if case == "kept":
    keep_freed_memory()
NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
Mallinfo = type("Mallinfo", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in NAMES]})
mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Mallinfo

before = mallinfo().hblks
held = [torch.ones(2**21) for _ in range(4)]  # 8 MiB each
os.write(1, f"{case} {mallinfo().hblks - before}\\n".encode())  # whole, for the others write there too
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="how glibc 2.33 tells of memory",
)
def test_freed_memory_is_kept_on_request_and_by_no_layer():
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "LD_PRELOAD", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=plain)
    # blocks, of four, that the system was asked for one by one
    assert sorted(done.stdout.splitlines()) == ["kept 0", "layers 4", "nothing 4"]
