"""Training step and construction of group convolutions, beside the dense convolution and escnn, in one run.

Run ``python benchmarks/group_conv_vs_escnn.py [--escnn PYTHON]``; PYTHON is the interpreter of an environment
with escnn 1.0.11 (it needs a Fortran compiler to install). Times are processor times of one thread, medians
over rounds in which each contestant makes one step; ratios are medians of the rounds' ratios. Everything is
run twice: with the C library's default memory allocation, and with allocations kept between steps
(MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ raised), for page faults weigh on every contestant, and most
on those that compute least. The results go to ``benchmarks/results/group_conv_vs_escnn.json``.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import measuring
import numpy as np
import torch

FIELDS, SIZE, BATCH = 16, 28, 16
CASES = (("C4 3x3", 4, 3), ("C8 5x5", 8, 5), ("SO(2) 5x5", None, 5))  # SO(2): fields of its irreps up to frequency 3
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 28), "MALLOC_TRIM_THRESHOLD_": str(1 << 29)}


def step(layer, x, gradient):
    """Forward and backward through a layer, with the gradient of input and weights."""
    y = layer(x)
    torch.autograd.grad(y, [x, *layer.parameters()], gradient)


def race(contestants, repeats):
    """Processor time in ms of each contestant, and its ratio to the dense convolution of the same round."""
    times = measuring.rounds(contestants, repeats, warm_up=1)
    dense = times.get("nn.Conv2d")
    return {
        name: {"ms": float(np.median(t))} | ({} if dense is None else {"ratio": float(np.median(t / dense))})
        for name, t in times.items()
    }


def ours(repeats):
    from equishare import groups, nn

    results = {}
    for name, n, kernel in CASES:
        G = groups.so2() if n is None else groups.cyclic(n)
        field = G.trivial() + G.irrep(1) + G.irrep(2) + G.irrep(3) if n is None else G.regular()
        group = nn.GroupConv2d(G, FIELDS, FIELDS, kernel, field_in=field, field_out=field)
        x = torch.randn(BATCH, group.in_channels, SIZE, SIZE, requires_grad=True)
        gradient = torch.randn(BATCH, group.out_channels, SIZE, SIZE)
        layers = {"nn.Conv2d": group.to_torch(), "GroupConv2d": group}
        if n is not None:
            layers["SeparableGroupConv2d"] = nn.SeparableGroupConv2d(G, FIELDS, FIELDS, kernel)
        results[name] = race({k: lambda m=m, x=x, d=gradient: step(m, x, d) for k, m in layers.items()}, repeats)
        results[name]["GroupConv2d"]["weights"] = group.weight.numel()
        with torch.no_grad():
            results[name] |= race({"expansion alone": group.full_weight}, repeats)
    for name, G in (("C8", groups.cyclic(8)), ("D16", groups.dihedral(16))):
        built = race({"GroupConv2d": lambda G=G: nn.GroupConv2d(G, 64, 64, 5)}, 5)
        results[f"build {name} 64 -> 64 5x5"] = built
    return results


def theirs(repeats):
    from escnn import gspaces
    from escnn import nn as enn

    results = {}
    for name, n, kernel in CASES:
        space = gspaces.rot2dOnR2(-1, maximum_frequency=3) if n is None else gspaces.rot2dOnR2(n)
        fields = [space.irrep(k) for k in range(4)] if n is None else [space.regular_repr]
        kind = enn.FieldType(space, FIELDS * fields)
        layer = enn.R2Conv(kind, kind, kernel, padding=kernel // 2)
        plain = layer.export().train()
        x = torch.randn(BATCH, kind.size, SIZE, SIZE, requires_grad=True)
        gradient = torch.randn(BATCH, kind.size, SIZE, SIZE)
        layer.train()

        def run(layer=layer, x=x, gradient=gradient, kind=kind):
            y = layer(enn.GeometricTensor(x, kind)).tensor
            weights = [p for p in layer.parameters() if p.requires_grad]
            torch.autograd.grad(y, [x, *weights], gradient)

        dense = torch.nn.Conv2d(kind.size, kind.size, kernel, padding=kernel // 2)
        dense.load_state_dict({k: v for k, v in plain.state_dict().items() if k in ("weight", "bias")})
        results[name] = race({"nn.Conv2d": lambda d=dense, x=x, g=gradient: step(d, x, g), "R2Conv": run}, repeats)
        results[name]["R2Conv"]["weights"] = layer.weights.numel()
    for name, space in (("C8", gspaces.rot2dOnR2(8)), ("D16", gspaces.flipRot2dOnR2(16))):
        kind = enn.FieldType(space, 64 * [space.regular_repr])
        start = time.process_time()
        enn.R2Conv(kind, kind, 5, padding=2)
        results[f"build {name} 64 -> 64 5x5"] = {"R2Conv, first": {"ms": 1e3 * (time.process_time() - start)}}
    return results


def launch(python, who, repeats, environment):
    command = [python, os.path.abspath(__file__), "--run", who, "--repeats", str(repeats)]
    out = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if out.returncode:
        sys.exit(f"{who} failed:\n{out.stderr}")
    return json.loads(out.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--escnn", help="python of an environment with escnn")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--run", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        torch.set_num_threads(1)
        cases = {"ours": ours, "theirs": theirs}[arguments.run](arguments.repeats)
        print(json.dumps({"machine": measuring.machine("torch", "equishare", "escnn"), "cases": cases}))
        return
    contestants = [("ours", sys.executable)] + ([("theirs", arguments.escnn)] if arguments.escnn else [])
    results = {}
    for label, environment in (("default allocation", {}), ("allocations kept", KEPT)):
        print(f"\n{label}: processor time, ms (ratio to nn.Conv2d of the same round)")
        results[label] = {}
        for who, python in contestants:
            found = launch(python, who, arguments.repeats, environment)
            results[label][who] = found
            for case, rows in found["cases"].items():
                for name, row in rows.items():
                    ratio = f"{row['ratio']:8.3f}" if "ratio" in row else ""
                    print(f"  {case:22s} {name:22s} {row['ms']:10.2f} {ratio}", flush=True)
    measuring.write("group_conv_vs_escnn", results)


if __name__ == "__main__":
    main()
