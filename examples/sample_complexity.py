"""What sharing buys: images needed to learn a filter that is shared over positions, and one for each position.

    python examples/sample_complexity.py [--quick] [--out FOLDER]

A 5 x 5 filter on three channels, with a bias, has k = 76 weights; on 32 x 32 images it stands at P = 784 positions. Responses with noise
are given, filters are fitted by least squares. A filter of its own at each position sees one patch an image, k / (n - k - 1) of the noise
is its excess error; the shared one sees P patches. Last panel: empirical Rademacher complexity (Bartlett & Mendelson 2002) of x -> P^(-1/2)
sum_p w_p . x_p with |w_p| <= 1, in closed form. Beside it the VC dimension itself (Vapnik 1998) of sign(w . x), for a small case: every labelling of
every set of 0-1 points is tried. By Gordan's theorem one is possible where no sum of the signed points with weights >= 0 is zero.
"""

import argparse
from itertools import combinations, product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.optimize import nnls
from torch.nn import functional

K = 5 * 5 * 3 + 1


def patches(count, size, rng, stride=1):
    """White images cut into patches [count, positions, 76]; the last entry is 1, for the bias."""
    images = torch.randn(count, 3, size, size, generator=rng)
    cut = functional.unfold(images, 5, stride=stride).mT
    return torch.cat([cut, torch.ones_like(cut[..., :1])], dim=-1)


def learning_curve(x, counts, rng, shared, spread=0.0):
    """Mean excess error of the fitted filters, in units of the noise variance, after each number of images."""
    positions = x.shape[1]
    truth = torch.randn(K, 1, generator=rng) + spread * torch.randn(K, positions, generator=rng)
    y = torch.einsum("npk,kp->np", x, truth) + torch.randn(x.shape[:2], generator=rng)
    gram, moment, before, errors = 0.0, 0.0, 0, []
    for count in counts:
        a, b = x[before:count].transpose(0, 1), y[before:count].T.unsqueeze(2)
        if shared:
            a, b = a.reshape(1, -1, K), b.reshape(1, -1, 1)
        gram, moment, before = gram + (a.mT @ a).double(), moment + (a.mT @ b).double(), count
        fitted = torch.linalg.solve(gram, moment)[..., 0].mT
        errors.append(float((fitted - truth).square().sum(0).mean()))
    return np.array(errors)


def needed(counts, errors, accuracy):
    """Number of images to an accuracy, between the measured ones along straight lines of 1 / error."""
    return float(np.interp(1 / accuracy, 1 / np.minimum.accumulate(errors), counts))


def rademacher(size, images, draws, rng):
    """(shared, unshared) empirical Rademacher complexity on one sample of white images."""
    x = patches(images, size, rng)
    signs = torch.randint(0, 2, (draws, images), generator=rng).float() * 2 - 1
    sums = torch.einsum("dn,npk->dpk", signs, x[..., :-1]) / images / x.shape[1] ** 0.5
    return sums.sum(1).norm(dim=-1).mean().item(), sums.norm(dim=-1).sum(1).mean().item()


def vc_dimension(index):
    """Most points of {0, 1}^n that sign(w . x) with w_i = v[index_i] labels in every way."""
    points = np.array(list(product((0, 1), repeat=len(index)))[1:]) @ np.eye(max(index) + 1)[list(index)]

    def possible(signed):
        return nnls(np.vstack([signed.T, np.ones(len(signed))]), np.eye(signed.shape[1] + 1)[-1])[1] > 1e-9

    def shattered(some):
        return all(possible(np.array(signs)[:, None] * some) for signs in product((-1, 1), repeat=len(some)))

    return max(d for d in range(1, len(index) + 2) if any(map(shattered, combinations(points, d))))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer images and seeds")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    seeds, accuracy = (2, 0.1) if arguments.quick else (5, 0.01)
    sizes = (5, 8, 12) if arguments.quick else (5, 6, 8, 12, 18, 25, 32)
    many = np.array([100, 120, 160, 250, 400, 700, 1000, 1600, 2600, 4200, 6000, 7000, 8200])
    many = many[many < 130 / accuracy]
    # the unshared layer is measured at 7 x 7 of its positions: they are alike
    rngs = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    unshared = np.array([learning_curve(patches(many[-1], 32, rng, stride=4), many, rng, shared=False) for rng in rngs])
    own = [needed(many, curve, accuracy) for curve in unshared]
    print(f"images to an excess error of {100 * accuracy:.0f} % of the noise; {seeds} seeds; k = {K} weights a filter")
    print(f"one at each position: {np.mean(own):,.0f} +- {np.std(own):.0f} (predicted {K / accuracy + K + 1:,.0f})")
    print(" image   positions   shared, images      ratio")
    ratios, shared = [], {}
    for size in sizes:
        positions = (size - 4) ** 2
        top = 1.6 * K / accuracy / positions
        few = np.unique(np.round(np.geomspace(max(1.0, 100 / positions), top + 4, 24)).astype(int))
        curves = [learning_curve(patches(few[-1], size, rng), few, rng, shared=True) for rng in rngs for _ in range(4)]
        images = np.array([needed(few, np.mean(curves[4 * s : 4 * s + 4], axis=0), accuracy) for s in range(seeds)])
        ratio, shared[size] = np.array(own) / images, (few, np.array(curves))
        ratios.append((positions, ratio.mean(), ratio.std()))
        told = f"{images.mean():8.1f} +- {images.std():5.1f}   {ratio.mean():6.1f} +- {ratio.std():.1f}"
        print(f"{size:3d} x {size:<3d} {positions:8d}   {told}")

    counts, biased = many[many <= 2600], {}
    print("\nfilters that differ by s at each position: bias s^2 k; predicted break-even s^2 = 1 / (n - k - 1)")
    for spread in (0.05, 0.1):
        x = patches(counts[-1], 32, rngs[0], stride=4)
        biased[spread] = [learning_curve(x, counts, rngs[0], shared=s, spread=spread) for s in (True, False)]
        ahead = np.log(biased[spread][1] / biased[spread][0])
        crossing = np.exp(np.interp(0, -ahead, np.log(counts))) if ahead[-1] < 0 else np.nan
        print(f"  s = {spread}: sharing loses from n = {crossing:.0f} images on, predicted {1 / spread**2 + K + 1:.0f}")

    complexity = np.array([rademacher(size, 50, 20, rngs[0]) for size in sizes])
    growth, positions = complexity[-1] / complexity[0], (sizes[-1] - 4) ** 2
    print(f"\nRademacher complexity on 50 images, from 1 position to {positions}: shared times {growth[0]:.2f},")
    print(f"a filter at each position times {growth[1]:.1f} (root of the number of positions: {positions**0.5:.0f})")

    found = {max(index) + 1: vc_dimension(index) for index in ((0, 1, 2, 3), (0, 1, 2, 0), (0, 1, 0, 1), (0, 0, 0, 0))}
    print(f"VC dimension of sign(w . x), four 0-1 inputs, by brute force, by the number of weights: {found}")

    figure, axes = plt.subplots(1, 4, figsize=(16, 4.2), layout="constrained")
    few, curves = shared[sizes[-1]]
    lines = K / (few * (sizes[-1] - 4) ** 2), K / (many - K - 1)
    for label, n, values, line in zip(("shared", "each its own"), (few, many), (curves, unshared), lines, strict=True):
        bars = axes[0].errorbar(n, values.mean(0), values.std(0), fmt="o", ms=3, label=label)
        axes[0].plot(n, line, color=bars[0].get_color(), lw=1)
    axes[0].axhline(accuracy, color="0.6", lw=1, ls=":")
    axes[0].set(
        xscale="log", yscale="log", xlabel="images", ylabel="excess error / noise", title="lines: k / n, k / nP"
    )
    p, mean, error = np.array(ratios).T
    axes[1].errorbar(p, mean, error, fmt="o", ms=4)
    axes[1].plot(p, p, color="0.6", lw=1)
    axes[1].set(xscale="log", yscale="log", xlabel="positions", ylabel="images needed, unshared / shared")
    for spread, (tied, untied) in biased.items():
        colour = axes[2].plot(counts, tied, "-", label=f"shared, s = {spread}")[0].get_color()
        axes[2].plot(counts, untied, "--", color=colour)
        axes[2].axvline(1 / spread**2 + K + 1, color=colour, ls=":")
    axes[2].set(
        xscale="log", yscale="log", xlabel="images", ylabel="excess error / noise", title="bias (dashed: unshared)"
    )
    axes[3].plot(p, complexity, "o-", label=["shared", "one at each position"])
    axes[3].set(xscale="log", yscale="log", xlabel="positions", ylabel="Rademacher complexity")
    for ax in (axes[0], *axes[2:]):
        ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "sample_complexity.png", dpi=64)
    print(f"saved {arguments.out / 'sample_complexity.png'}")


if __name__ == "__main__":
    main()
