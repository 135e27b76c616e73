"""Triton's compiler takes the kernels, as far as machine code; no GPU is needed for that."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from equishare.ops.channel_product import triton as product
from equishare.ops.edge_sum import triton as edge_sum

INTEGERS = ("degree", "sender", "receiver", "order", "start", "slots_a", "slots_b", "slots_c", "rows_a", "rows_b", "rows_c")


def kind(name):
    if name.startswith(("n_", "stride_", "row_")):
        return "i32"
    return "*i64" if name in INTEGERS else "*fp32"


sizes = {"K": 16, "C": 64}
for second in (False, True):
    for kernel in (edge_sum._receivers, edge_sum._edges, edge_sum._senders, product._join):
        known = {"SECOND": second, **sizes}
        constants = {name: known[name] for name in kernel.arg_names if name in known}
        signature = {name: "constexpr" if name in constants else kind(name) for name in kernel.arg_names}
        made = compile(ASTSource(kernel, signature, constexprs=constants), target=GPUTarget("cuda", 80, 32))
        assert made.asm["cubin"]
print("compiled")
"""


@pytest.mark.slow
def test_kernels_compile_for_a_gpu():
    pytest.importorskip("triton")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment)
    assert done.stdout == "compiled\n", done.stderr
