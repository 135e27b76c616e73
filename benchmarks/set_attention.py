"""Multi-query against multi-head attention, and induced points against all pairs: weights and time.

    python benchmarks/set_attention.py [--channels 128] [--heads 8] [--save]

One thread, float32, batch 4. ``torch.nn.MultiheadAttention`` stands beside ``SetAttention`` with as many heads of keys and values as of
queries: the same map. Milliseconds are processor time, the least of interleaved repeats, forward and forward with all gradients.
``--save`` writes benchmarks/results/set_attention.json.
"""

import argparse
import time

import measuring
import torch

from equishare import nn

BATCH = 4
SHAPES = ((64, 64), (256, 256), (1024, 1024), (16, 4096))  # points that ask, points that are asked


def race(contestants, repeats):
    """Least processor time in ms of each contestant, interleaved so that disturbances fall on all alike."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(repeats):
        for name, run in contestants.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], 1e3 * (time.process_time() - start))
    return best


def layers(channels, heads, self_attention):
    torch_layer = torch.nn.MultiheadAttention(channels, heads, batch_first=True)
    found = {
        "torch.nn.MultiheadAttention": (torch_layer, lambda x, s: torch_layer(x, s, s, need_weights=False)[0]),
        **{
            f"SetAttention, kv_heads={kv}": (layer, layer)
            for kv in (heads, 2, 1)
            for layer in [nn.SetAttention(channels, heads, kv)]
        },
    }
    if self_attention:
        block, induced = nn.SetAttentionBlock(channels, heads), nn.InducedSetAttentionBlock(channels, 32, heads)
        found["SetAttentionBlock"] = block, lambda x, s: block(x)
        found["InducedSetAttentionBlock, 32"] = induced, lambda x, s: induced(x)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--save", action="store_true", help="write the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for n, m in SHAPES:
        x = torch.randn(BATCH, n, arguments.channels, requires_grad=True)
        source = x if n == m else torch.randn(BATCH, m, arguments.channels, requires_grad=True)
        gradient = torch.randn(BATCH, n, arguments.channels)
        contestants = layers(arguments.channels, arguments.heads, n == m)

        def step(layer, call, x=x, source=source, gradient=gradient):
            torch.autograd.grad(call(x, source), [x, *layer.parameters()], gradient)

        def forward(call, x=x, source=source):
            with torch.no_grad():
                call(x, source)

        repeats = max(4, min(30, 10_000 // max(n, m)))
        forwards = race({k: lambda c=c: forward(c) for k, (_, c) in contestants.items()}, repeats)
        steps = race({k: lambda m=m, c=c: step(m, c) for k, (m, c) in contestants.items()}, repeats)
        print(f"\n{n} points ask {m}{'' if n == m else ' others'}")
        print(f"  {'':30s} {'weights':>8s} {'forward ms':>11s} {'step ms':>9s}")
        for name, (layer, _) in contestants.items():
            weights = sum(p.numel() for p in layer.parameters())
            print(f"  {name:30s} {weights:8,d} {forwards[name]:11.2f} {steps[name]:9.2f}", flush=True)
            rows.append(
                {
                    "n": n,
                    "m": m,
                    "layer": name,
                    "weights": weights,
                    "forward ms": forwards[name],
                    "step ms": steps[name],
                }
            )
    if arguments.save:
        sizes = {"channels": arguments.channels, "heads": arguments.heads, "batch": BATCH}
        machine = measuring.machine("torch", "numpy")
        measuring.write("set_attention", {"machine": machine, **sizes, "rows": rows})


if __name__ == "__main__":
    main()
