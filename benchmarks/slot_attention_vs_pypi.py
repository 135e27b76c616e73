"""Forward and backward of SlotAttention beside the package slot-attention of PyPI, with the same weights and inputs.

Run ``python benchmarks/slot_attention_vs_pypi.py [--repeats 40] [--out FILE]`` where slot-attention is installed. The two run
in turns, one thread, processor time; the figure is the median over the pairs of the ratio ours / theirs, and its quartiles, so
that what else the machine does falls on both alike. The slots they give are compared first. Everything is run with
the C library's default memory allocation, and with allocations kept between steps (MALLOC_MMAP_THRESHOLD_ and
MALLOC_TRIM_THRESHOLD_ raised).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import measuring
import numpy as np
import torch

# name -> batch, inputs, channels, slots, heads (None: the single-headed class)
CASES = {
    "35 x 35 pixels, 4 slots": (16, 1225, 64, 4, None),
    "32 x 32 pixels, 7 slots": (16, 1024, 64, 7, None),
    "14 x 14 patches, 11 slots, 256 channels": (16, 196, 256, 11, None),
    "a small set": (64, 30, 32, 4, None),
    "32 x 32 pixels, 7 slots, 4 heads": (16, 1024, 64, 7, 4),
    "14 x 14 patches, 11 slots, 8 heads": (16, 196, 256, 11, 8),
}
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 28), "MALLOC_TRIM_THRESHOLD_": str(1 << 29)}


def pair(channels, slots, heads):
    """Their module, and ours with its weights."""
    import slot_attention

    from equishare import nn

    arguments = {"num_slots": slots, "dim": channels, "iters": 3, "hidden_dim": 2 * channels}
    if heads is None:
        theirs = slot_attention.SlotAttention(**arguments)
        ours = nn.SlotAttention(channels, channels, slots, bias=True)
    else:
        theirs = slot_attention.MultiHeadSlotAttention(heads=heads, dim_head=channels // heads, **arguments)
        ours = nn.SlotAttention(channels, channels, slots, heads=heads, bias=True)
    renamed = {
        "to_q": "query",
        "to_k": "key",
        "to_v": "value",
        "norm_input": "norm_inputs",
        "norm_pre_ff": "norm_update",
        "combine_heads": "join",
    }
    state = {}
    for name, value in theirs.state_dict().items():
        first, _, rest = name.partition(".")
        state[f"{renamed.get(first, first)}.{rest}"] = value
    state["initial_mean"] = state.pop("slots_mu.")[0]
    state["initial_log_scale"] = state.pop("slots_logsigma.")[0]
    ours.load_state_dict(state)
    return theirs, ours


def race(batch, inputs, channels, slots, heads, repeats):
    theirs, ours = pair(channels, slots, heads)
    x = torch.randn(batch, inputs, channels, requires_grad=True)
    gradient = torch.randn(batch, slots, channels)
    outputs = []
    for run in (theirs, lambda x: ours(x)[0]):
        torch.manual_seed(0)
        outputs.append(run(x).detach())

    def step(run, weights):
        start = time.process_time()
        torch.autograd.grad(run(x), [x, *weights], gradient)
        return 1e3 * (time.process_time() - start)

    contestants = ((theirs, [*theirs.parameters()]), (lambda x: ours(x)[0], [*ours.parameters()]))
    times = []
    for repeat in range(repeats + 3):
        order = (0, 1) if repeat % 2 else (1, 0)
        took = {i: step(*contestants[i]) for i in order}
        times.append([took[0], took[1]])
    times = np.array(times[3:])
    quartiles = np.percentile(times[:, 1] / times[:, 0], [25, 50, 75])
    return {
        "theirs ms": round(float(np.median(times[:, 0])), 2),
        "ours ms": round(float(np.median(times[:, 1])), 2),
        "ratio": round(float(quartiles[1]), 3),
        "quartiles": [round(float(quartiles[0]), 3), round(float(quartiles[2]), 3)],
        "largest difference of slots": float((outputs[0] - outputs[1]).abs().max()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--out", type=Path, help="write the results there, as JSON")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        torch.set_num_threads(1)
        print(json.dumps({name: race(*case, arguments.repeats) for name, case in CASES.items()}))
        return
    results = {
        "machine": measuring.machine("torch", "slot-attention"),
    }
    for label, environment in (("default allocation", {}), ("allocations kept", KEPT)):
        command = [sys.executable, os.path.abspath(__file__), "--run", "--repeats", str(arguments.repeats)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if out.returncode:
            sys.exit(out.stderr)
        results[label] = json.loads(out.stdout.splitlines()[-1])
        print(f"\n{label}: median processor time of forward and backward, ms; ratio ours / theirs and its quartiles")
        for name, row in results[label].items():
            low, high = row["quartiles"]
            print(
                f"  {name:42s} theirs {row['theirs ms']:8.2f}  ours {row['ours ms']:8.2f}  {row['ratio']:.2f} ({low:.2f}-{high:.2f})"
            )
    if arguments.out:
        measuring.save(arguments.out, results)


if __name__ == "__main__":
    main()
