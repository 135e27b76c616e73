"""When should a parameter vary in time? The variance at which free parameters break even with a tied one.

    python examples/time_varying.py [--quick] [--out FOLDER]

A parameter w_t is estimated at each of T times from n examples with noise sigma. Free estimates have the error sigma^2 / n; the tied one
sigma^2 / (n T), and a bias by what w_t varies. They break even at

    s^2 = sigma^2 / n                  where every time jumps by s from a common value,
    s^2 = 6 sigma^2 / (n (T + 1))      where the parameter walks at random in steps of s.

Tying over blocks of time lies between: its best length is measured too.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from equishare import sharing

SIGMA = 1.0


def errors(s2, walk, count, times, blocks, repeats, rng):
    """Mean squared errors of estimates tied over blocks of these lengths, and the standard error of (longest - shortest)."""
    change = s2**0.5 * torch.randn(repeats, times, generator=rng, dtype=torch.float64)
    truth = change.cumsum(1) if walk else change
    x = torch.randn(repeats, times, count, generator=rng, dtype=torch.float64)
    x = x / x.square().mean(2, keepdim=True).sqrt()
    y = truth[..., None] * x + SIGMA * torch.randn(x.shape, generator=rng, dtype=torch.float64)
    free = (x * y).mean(2)  # least squares at each time: x has mean square one
    out = []
    for block in blocks:
        pattern = sharing.IndexPattern(torch.arange(times) // block)
        out.append((pattern.expand(pattern.project(free)) - truth).square().mean(1))
    return torch.stack(out).mean(1).numpy(), float((out[-1] - out[0]).std()) / repeats**0.5


def break_even(walk, count, times, repeats, rng):
    """The s^2 where tied and free estimates have one error, measured with its standard error, and predicted."""
    predicted = 6 * SIGMA**2 / (count * (times + 1)) if walk else SIGMA**2 / count
    spreads, gain, noise = predicted * np.linspace(0.5, 1.5, 5), [], []
    for s2 in spreads:
        (free, tied), error = errors(s2, walk, count, times, (1, times), repeats, rng)
        gain.append(tied - free)
        noise.append(error)
    slope, intercept = np.polyfit(spreads, gain, 1)  # the gain is linear in s^2
    return -intercept / slope, np.mean(noise) / len(spreads) ** 0.5 / slope, predicted


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    repeats = 200 if arguments.quick else 2000
    rng = torch.Generator().manual_seed(0)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    print("break-even variance s^2 of a parameter that varies in time, tied against free")
    print("                n    T   measured              predicted   deviation")
    for walk, name, marker in ((False, "jumps", "o"), (True, "random walk", "s")):
        points = []
        for count, times in ((5, 4), (5, 32), (20, 4), (20, 32), (20, 100)):
            value, error, theory = break_even(walk, count, times, repeats, rng)
            points.append((theory, value, error))
            print(
                f"  {name:12s} {count:3d} {times:4d}   {value:.5f} +- {error:.5f}   {theory:.5f}   {(value - theory) / error:+5.1f} sigma"
            )
        theory, value, error = np.array(points).T
        axes[0].errorbar(theory, value, error, fmt=marker, mfc="none", label=name)
    axes[0].plot([2e-3, 0.4], [2e-3, 0.4], color="0.6", lw=1)
    axes[0].set(xscale="log", yscale="log", xlabel="predicted", ylabel="measured", title="break-even variance s^2")
    axes[0].legend(frameon=False)

    blocks, times, count = (1, 2, 4, 8, 16, 32, 64), 64, 10
    print(
        f"\na random walk over T = {times} times, n = {count}: error / (sigma^2 / n) of estimates tied over blocks of time"
    )
    print("      s " + "".join(f"{b:8d}" for b in blocks))
    for s in (0.02, 0.05, 0.1, 0.3):
        values = errors(s**2, True, count, times, blocks, repeats, rng)[0] * count / SIGMA**2
        print(f"  {s:5.2f} " + "".join(f"{v:8.3f}" for v in values) + f"   best: {blocks[values.argmin()]}")
        axes[1].plot(blocks, values, "o-", label=f"s = {s}")
    axes[1].set(
        xscale="log", yscale="log", xlabel="times that share a parameter", ylabel="error, free = 1", title="random walk"
    )
    axes[1].legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "time_varying.png", dpi=72)
    print(f"saved {arguments.out / 'time_varying.png'}")


if __name__ == "__main__":
    main()
