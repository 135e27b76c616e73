"""Layers against plain ones and against the peers': one table in one run.

    python benchmarks/layers.py [--repeats 15] [--save]

Processor time of one thread, forward and all gradients, as a ratio to the reference in the same round; the median over rounds, so that what
disturbs the machine disturbs both. cuEquivariance takes part where it is installed (``pip install cuequivariance cuequivariance-torch``), by the
method that it has for a CPU. ``--save`` writes benchmarks/results/layers.json.
"""

import argparse
import importlib.util
import statistics
import time

import measuring
import torch
from e3nn import o3

from equishare import groups, nn

IRREPS, HARMONICS = "32x0e+32x1o+32x2e", "0e+1o+2e"


def step(layer, *inputs):
    """One training step's work: forward and gradients of weights and inputs."""

    def run():
        given = [x.clone().requires_grad_() for x in inputs]
        layer(*given).square().sum().backward()

    return run


def convolutions():
    """A group convolution, and a steerable one, against the plain one."""
    found = {}
    C8, SO2 = groups.cyclic(8), groups.so2()
    field = SO2.trivial() + SO2.irrep(1) + SO2.irrep(2) + SO2.irrep(3)
    for name, layer in (
        ("GroupConv2d C8 5x5, 16 fields", nn.GroupConv2d(C8, 16, 16, 5)),
        ("GroupConv2d SO(2) 5x5, 16 fields", nn.GroupConv2d(SO2, 16, 16, 5, field_in=field, field_out=field)),
        (
            "GroupConvTranspose2d C4 4x4, stride 2",
            nn.GroupConvTranspose2d(groups.cyclic(4), 16, 16, 4, stride=2, padding=1),
        ),
    ):
        x = torch.randn(8, layer.in_channels, 28, 28)
        plain, frozen = layer.to_torch(), nn.to_torch(layer)
        found[name] = {"torch": step(plain, x), "equishare": step(layer, x), "after to_torch()": step(frozen, x)}
    return found


def attentions():
    """Self-attention of 256 points and 128 channels."""
    theirs = torch.nn.MultiheadAttention(128, 8, batch_first=True)
    points, image = torch.randn(8, 256, 128), torch.randn(8, 128, 16, 16)
    C4 = groups.cyclic(4)
    return {
        "self-attention, 256 points, 128 channels": {
            "torch": step(lambda x: theirs(x, x, x, need_weights=False)[0], points),
            "SetAttention": step(nn.SetAttention(128, 8), points),
            "FieldAttention C4": step(nn.FieldAttention(32, C4.regular(), 8), image),
        }
    }


def tensor_products():
    """In e3nn's flat layout: every path; and the message of a neighbour, whose weights come from outside."""
    n = 512
    x, y = torch.randn(n, o3.Irreps(IRREPS).dim), torch.randn(n, 9)
    theirs, ours = (
        o3.FullyConnectedTensorProduct(IRREPS, HARMONICS, IRREPS),
        nn.FullyConnectedTensorProduct(IRREPS, HARMONICS, IRREPS),
    )
    full = {"e3nn": step(theirs, x, y), "equishare": step(ours, x, y)}
    channel = nn.ChannelTensorProduct(IRREPS, HARMONICS)
    weight = torch.randn(n, channel.n_paths, 32)
    each = [(mul, ir) for mul, ir in channel.layout_out.irreps]
    pairs = [
        (i, j, ir)
        for i, (_, a) in enumerate(o3.Irreps(IRREPS))
        for j, (_, b) in enumerate(o3.Irreps(HARMONICS))
        for ir in a * b
    ]
    pairs.sort(key=lambda p: (p[2], p[0], p[1]))
    theirs = o3.TensorProduct(
        IRREPS,
        HARMONICS,
        each,
        [(i, j, k, "uvu", True) for k, (i, j, _) in enumerate(pairs)],
        shared_weights=False,
        internal_weights=False,
    )
    last = nn.from_e3nn(x, IRREPS)
    uvu = {
        "e3nn": step(theirs, x, y, weight.flatten(1)),
        "TensorProduct, uvu": step(
            nn.TensorProduct(IRREPS, HARMONICS, each, [(i, j, k) for k, (i, j, _) in enumerate(pairs)], "uvu", "given"),
            x,
            y,
            weight.flatten(1),
        ),
        "ChannelTensorProduct": step(channel, last, y, weight),
    }
    if importlib.util.find_spec("cuequivariance_torch"):
        import cuequivariance as cue
        import cuequivariance_torch as cuet

        irreps, harmonics = cue.Irreps("O3", IRREPS), cue.Irreps("O3", HARMONICS)
        layouts = {"layout": cue.ir_mul, "method": "naive"}
        full["cuEquivariance"] = step(cuet.FullyConnectedTensorProduct(irreps, harmonics, irreps, **layouts), x, y)
        wise = cuet.ChannelWiseTensorProduct(irreps, harmonics, internal_weights=False, shared_weights=False, **layouts)
        weights = torch.randn(n, wise.weight_numel)
        uvu["cuEquivariance"] = step(lambda a, b, w: wise(a, b, w), x, y, weights)
    linear = {
        "e3nn": step(o3.Linear(IRREPS, IRREPS), x),
        "SharedLinear": step(nn.SharedLinear(groups.o3().irreps(IRREPS), groups.o3().irreps(IRREPS), bias=False), x),
        "IrrepsLinear": step(nn.IrrepsLinear(IRREPS, IRREPS), last),
        "IrrepsLinear, e3nn's layout": step(nn.IrrepsLinear(IRREPS, IRREPS), x),
    }
    unequal = "32x0e+16x1o+8x2e"
    fewer = torch.randn(n, o3.Irreps(unequal).dim)
    linear_unequal = {
        "e3nn": step(o3.Linear(unequal, unequal), fewer),
        "IrrepsLinear": step(nn.IrrepsLinear(unequal, unequal), fewer),
    }
    return {
        f"fully connected product, {n} rows": full,
        f"channel by channel, {n} rows": uvu,
        f"linear, {n} rows": linear,
        f"linear, {unequal}, {n} rows": linear_unequal,
    }


def network():
    """A D16 network of 5x5 filters with 64 fields."""
    G = groups.dihedral(16)
    return nn.Sequential(
        nn.GroupConv2d(G, 1, 64, 5, lifting=True),
        torch.nn.ReLU(),
        nn.GroupConv2d(G, 64, 64, 5),
        torch.nn.ReLU(),
        nn.GroupConv2d(G, 64, 64, 5),
        nn.GroupPool(64 * G.regular()),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print("| what | layer | median ms | times the reference |\n| --- | --- | --- | --- |")
    for part in (convolutions, attentions, tensor_products):
        for what, calls in part().items():
            times = measuring.rounds(calls, arguments.repeats, warm_up=2)
            reference = next(iter(times))
            for name, values in times.items():
                ratio = float(statistics.median(values / times[reference]))
                rows.append({"what": what, "layer": name, "ms": float(statistics.median(values)), "ratio": ratio})
                print(f"| {what} | {name} | {rows[-1]['ms']:.2f} | {ratio:.2f} |", flush=True)
    seconds = []
    for _ in range(2):
        start = time.process_time()
        network()
        seconds.append(time.process_time() - start)
    print(
        f"\nConstruction of a D16 network of 5x5 filters, 64 fields: {seconds[0]:.2f} s the first time, then {seconds[1]:.2f} s"
    )
    if arguments.save:
        packages = ("torch", "equishare", "e3nn", "cuequivariance")
        measuring.write("layers", {"machine": measuring.machine(*packages), "rows": rows, "construction_s": seconds})


if __name__ == "__main__":
    main()
