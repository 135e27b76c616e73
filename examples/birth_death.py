"""One rate of gene birth and death for all families: the error of the shared rate, predicted by the Fisher information.

    python examples/birth_death.py [--quick] [--out FOLDER]

In each gene family every gene is doubled and lost at one rate along the branches of a species tree (linear birth-death process; Hahn et
al. 2005). The likelihood of the family sizes at the tips is summed over the ancestors (Felsenstein's pruning), with

    P(m | n, t) = sum_j C(n, j) C(n + m - j - 1, n - 1) a^(n + m - 2j) (1 - 2a)^j,    a = rate t / (1 + rate t).

Sizes are simulated gene by gene, not from this formula. One family says little about the rate; F of them that share it say F times as much.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import gammaln

from equishare.sharing import ParameterMap

RATE, LARGEST = 0.02, 60
# ((A:20, B:20):30, (C:35, D:35):15): branches as (parent, length); tips are 3 .. 6
PARENT, LENGTH = (None, 0, 0, 1, 1, 2, 2), (0.0, 30.0, 15.0, 20.0, 20.0, 35.0, 35.0)


def simulate(families, rng):
    """Sizes at the root and at the four tips: each gene dies out with probability a, or leaves a geometric number."""
    sizes = [1 + rng.poisson(4, families)]
    for parent, length in zip(PARENT[1:], LENGTH[1:], strict=True):
        a = RATE * length / (1 + RATE * length)
        survivors = rng.binomial(sizes[parent], 1 - a)
        extra = rng.negative_binomial(np.maximum(survivors, 1), 1 - a)
        sizes.append(np.where(survivors > 0, survivors + extra, 0))
    return np.stack(sizes)[[0, 3, 4, 5, 6]]


def transition(rate, length):
    """P(m | n) [n, m] for sizes up to LARGEST."""
    n, m, j = np.ogrid[: LARGEST + 1, : LARGEST + 1, : LARGEST + 1]
    a = rate * length / (1 + rate * length)
    inside = (n > 0) & (j <= n) & (j <= m)
    n, top = np.maximum(n, 1), np.maximum(n + m - j, 1)
    terms = gammaln(n + 1) - gammaln(j + 1) - gammaln(np.where(inside, n - j, 0) + 1)
    terms = terms + gammaln(top) - gammaln(n) - gammaln(np.where(inside, m - j, 0) + 1) + (n + m - 2 * j) * np.log(a)
    out = np.where(inside, np.exp(np.where(inside, terms, 0.0)) * (1 - 2 * a) ** j, 0.0).sum(2)
    out[0, 0] = 1.0  # no gene comes from nothing
    return out


def log_likelihood(rate, sizes):
    """Of each family, given its size at the root."""
    tips = [transition(rate, LENGTH[b])[:, size] for b, size in zip((3, 4, 5, 6), sizes[1:], strict=True)]
    left, right = transition(rate, LENGTH[1]) @ (tips[0] * tips[1]), transition(rate, LENGTH[2]) @ (tips[2] * tips[3])
    return np.log((left * right)[sizes[0], np.arange(sizes.shape[1])])


def fitted(curves, grid):
    """The grid's maximum of each row, refined by a parabola through its neighbours."""
    k = curves.argmax(1).clip(1, len(grid) - 2)
    rows = np.arange(len(curves))
    low, middle, high = (curves[rows, k + d] for d in (-1, 0, 1))
    return grid[k] + 0.5 * (grid[1] - grid[0]) * (low - high) / (low - 2 * middle + high)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer families")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    repeats, counts = (30, (4, 16)) if arguments.quick else (200, (4, 16, 64, 256))
    rng = np.random.default_rng(0)
    sizes = simulate(repeats * counts[-1], rng)
    sizes = sizes[:, (sizes <= LARGEST).all(0)]
    grid = np.linspace(0.25, 2.5, 15 if arguments.quick else 60) * RATE
    curves = np.stack([log_likelihood(rate, sizes) for rate in grid], axis=1)  # [families, rates]
    h = 1e-3 * RATE
    score = (log_likelihood(RATE + h, sizes) - log_likelihood(RATE - h, sizes)) / (2 * h)
    information = score.var()
    print(
        f"{sizes.shape[1]} simulated families; information of one about the rate: standard error {100 * information**-0.5 / RATE:.0f} % of it"
    )
    print(f"mean score {score.mean():.2f} +- {(information / len(score)) ** 0.5:.2f} (0 expected at the true rate)\n")
    print("families sharing it   free values   standard error of the rate, predicted   measured            mean rate")
    measured = []
    for count in counts:
        shared = ParameterMap(["rate"], count, shared=["rate"])
        groups = curves[: len(curves) // count * count].reshape(-1, count, 1, len(grid))
        summed = np.stack([shared.reduce(np.moveaxis(g, 2, 0))[:, 0] for g in groups[:repeats]])  # sum over the uses
        rates = fitted(summed, grid)
        error, spread = rates.std(), rates.std() / (2 * len(rates)) ** 0.5
        predicted = (information * count) ** -0.5
        measured.append((count, predicted, error, spread))
        print(
            f"{count:12d} {len(shared.free_names):16d} {predicted:24.5f} {error:22.5f} +- {spread:.5f}   {rates.mean():.5f}"
        )
    print(f"true rate {RATE}; without sharing, each family would need a rate of its own from four numbers")

    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    axes[0].plot(grid, curves[:8].T - curves[:8].max(1), color="0.7", lw=1)
    axes[0].plot(
        grid, (total := curves[: counts[-1]].sum(0)) - total.max(), color="C0", label=f"{counts[-1]} families together"
    )
    axes[0].axvline(RATE, color="k", lw=1, ls=":")
    axes[0].set(
        xlabel="rate",
        ylabel="log-likelihood, above its maximum",
        ylim=(-6, 0.3),
        title="together; grey: single families",
    )
    axes[0].legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    count, predicted, error, spread = np.array(measured).T
    axes[1].errorbar(count, error, spread, fmt="o", label="measured")
    axes[1].plot(count, predicted, color="0.5", label="Fisher information")
    axes[1].set(xscale="log", yscale="log", xlabel="families that share the rate", ylabel="standard error of the rate")
    axes[1].legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "birth_death.png", dpi=72)
    print(f"saved {arguments.out / 'birth_death.png'}")


if __name__ == "__main__":
    main()
