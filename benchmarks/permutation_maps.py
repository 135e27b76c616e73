"""Order-2 permutation-equivariant maps: the fast form against the expanded matrix, time and memory over n.

    python benchmarks/permutation_maps.py [--n 8 16 24 32 64 128 256 512] [--channels 32] [--save]

One example of [n, n, channels], one thread, float32. Contestants, each in a process of its own:

fast      ``PermutationLinear(2, 2, C, C)``: forward, and forward with all gradients.
patterns  the 15 matrices of the sharing pattern, n^2 x n^2 and dense, each applied to channels that its weights have mixed: forward.
expanded  the matrix of all entries and channels, (n^2 C) x (n^2 C), multiplied with the flattened example: the product alone, without
          the expansion. Up to n = 24 (1.4 GB) it is kept whole; above, one n^2 x n^2 block of a pair of channels is expanded, multiplied
          and forgotten at a time (69 GB in all at n = 64), so that only the largest block is in memory, and only products are timed.

Every contestant holds the same weights, and its output is compared with that of the fast form. Seconds are processor time, the least of
the repeats. Memory of the fast form is the growth of the process's peak over imports, weights and example; of the others the size of the
matrices that stand for the weights, whether they are held at once or block by block. ``--save`` writes
benchmarks/results/permutation_maps.json.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

import measuring
import torch

from equishare import nn, sharing

LARGEST = {"fast": 10_000, "patterns": 64, "expanded": 64}
WHOLE = 24  # the expanded matrix is kept whole up to here


def peak():
    """Peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def least(call, repeats):
    """Least processor time in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def orbit_weights(layer, n):
    """The pattern's base weights [15, in, out] of the same map, read off the layer's answers to single entries."""
    pattern = sharing.permutation_maps(n, 2, 2)
    index = pattern.index.reshape(n, n, n, n)
    base = torch.zeros(15, layer.in_channels, layer.out_channels)
    with torch.no_grad():
        for a, b in ((0, 0), (0, 1)):
            probe = torch.zeros(layer.in_channels, n, n, layer.in_channels)
            probe[torch.arange(layer.in_channels), a, b, torch.arange(layer.in_channels)] = 1
            answer = layer(probe)
            for i in range(4):
                for j in range(4):
                    base[index[i, j, a, b]] = answer[:, i, j]
    return pattern, base


def compete(who, n, channels):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layer = nn.PermutationLinear(2, 2, channels, channels, bias=False)
    x = torch.randn(1, n, n, channels)
    repeats = max(3, min(50, 4_000_000 // (n * n * channels)))
    small = nn.PermutationLinear(2, 2, 2, 2)
    torch.autograd.grad(small(torch.ones(1, 4, 4, 2)).sum(), list(small.parameters()))  # lazy imports, thread pools
    if who == "fast":
        before = peak()
        with torch.no_grad():
            forward = least(lambda: layer(x), repeats)
        forward_peak = peak() - before
        x.requires_grad_()
        gradient = torch.randn(1, n, n, channels)
        step = least(lambda: torch.autograd.grad(layer(x), [x, layer.weight], gradient), repeats)
        return {"forward": forward, "step": step, "MB": forward_peak, "step MB": peak() - before}
    with torch.no_grad():
        expected = layer(x).reshape(n * n, channels)
    pattern, base = orbit_weights(layer, n)
    if who == "patterns":
        matrices = [(pattern.index == k).float() for k in range(15)]
        rows = x.reshape(n * n, channels)

        def run():
            return sum(matrix @ (rows @ weight) for matrix, weight in zip(matrices, base, strict=True))

        forward, found = least(run, 3), run()
    elif n <= WHOLE:
        flat = x.reshape(n * n, channels).T.reshape(-1)
        matrix = torch.empty(channels, n * n, channels, n * n)
        for c in range(channels):
            matrix[c] = pattern.expand(base[:, :, c].T).transpose(0, 1)
        matrix = matrix.reshape(channels * n * n, channels * n * n)
        forward, found = least(lambda: matrix @ flat, 3), (matrix @ flat).reshape(channels, n * n).T
    else:
        found, forward = torch.zeros(channels, n * n), 0.0
        for c in range(channels):
            for d in range(channels):
                block = pattern.expand(base[:, d, c])
                start = time.process_time()
                found[c] += block @ x[0, :, :, d].reshape(-1)
                forward += time.process_time() - start
        found = found.T
    difference = float((found - expected).norm() / expected.norm())
    whole = who == "patterns" or n <= WHOLE
    held = 15 * n**4 if who == "patterns" else (n * n * channels) ** 2
    return {"forward": forward, "MB": 4 * held / 1e6, "difference": difference, "whole": whole}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[8, 16, 24, 32, 64, 128, 256, 512])
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--save", action="store_true", help="write the results")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(compete(arguments.run[0], int(arguments.run[1]), arguments.channels)))
        return
    rows = []
    print(
        f"{'n':>4s} {'who':>9s} {'forward ms':>11s} {'step ms':>9s} {'MB':>8s} {'step MB':>8s} {'times fast':>11s} {'difference':>11s}"
    )
    for n in arguments.n:
        for who in ("fast", "patterns", "expanded"):
            if n > LARGEST[who]:
                continue
            command = [
                sys.executable,
                os.path.abspath(__file__),
                "--run",
                who,
                str(n),
                "--channels",
                str(arguments.channels),
            ]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            out = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if out.returncode:
                sys.exit(f"{who}, n = {n} failed:\n{out.stderr}")
            result = json.loads(out.stdout.splitlines()[-1])
            rows.append({"n": n, "who": who, **result})
            fast = next(row for row in rows if row["n"] == n and row["who"] == "fast")
            result["ratio"] = rows[-1]["ratio"] = result["forward"] / fast["forward"]
            step, step_memory = (
                f"{result[k] * f:9.2f}" if k in result else "" for k, f in (("step", 1e3), ("step MB", 1))
            )
            other = f"{result['difference']:11.1e}" if "difference" in result else ""
            note = "" if result.get("whole", True) else "  block by block"
            print(
                f"{n:4d} {who:>9s} {1e3 * result['forward']:11.2f} {step:>9s} {result['MB']:8.1f} {step_memory:>8s} "
                f"{result['ratio']:11.1f} {other}{note}",
                flush=True,
            )
    if arguments.save:
        machine = measuring.machine("torch", "numpy")
        measuring.write("permutation_maps", {"machine": machine, "channels": arguments.channels, "rows": rows})


if __name__ == "__main__":
    main()
