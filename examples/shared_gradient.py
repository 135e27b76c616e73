"""The gradient of a shared weight is the sum over its uses: drawn use by use, and equal to autograd's.

    python examples/shared_gradient.py [--quick] [--out FOLDER]

A pattern expands base weights into full ones; the full gradient has one entry a use, and the base gradient is their sum. The reference
never sees the pattern: torch's conv2d, a loop over time, a tied autoencoder, a hashed layer, each with one parameter.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from equishare import sharing


def per_use(pattern, base, loss):
    """Gradient of the loss by each entry of the expanded weight, and their sums over the uses of each base weight."""
    full = pattern.expand(base).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(full), full)
    count = torch.bincount(pattern.index[pattern.index >= 0].reshape(-1), minlength=pattern.n_free)
    return gradient, pattern.project(gradient) * count  # project is the mean over uses


def convolution(rng):
    size = 28
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    image = (torch.exp(-40 * ((rows**2 + columns**2).sqrt() - 0.6) ** 2)).double()  # a ring
    kernel = torch.randn(3, 3, generator=rng, dtype=torch.float64).requires_grad_()
    pattern = sharing.toeplitz(3, (size, size), padding=1)
    gradient, total = per_use(pattern, kernel.flatten(), lambda m: (m @ image.flatten()).tanh().square().sum() / 2)
    reference = functional.conv2d(image[None, None], kernel[None, None], padding=1).tanh().square().sum() / 2
    maps = torch.zeros(9, size * size, dtype=torch.float64)
    position, source = (pattern.index >= 0).nonzero().T
    maps[pattern.index[position, source], position] = gradient[position, source]
    return "convolution, 3 x 3 on 28 x 28", kernel, reference, total, pattern, maps.reshape(3, 3, size, size)


def recurrent(rng, steps=20, width=6):
    inputs = torch.randn(steps, width, generator=rng, dtype=torch.float64)
    weight = (1.2 * torch.randn(width, width, generator=rng, dtype=torch.float64) / width**0.5).requires_grad_()

    def loss(weights):
        state = torch.zeros(width, dtype=torch.float64)
        for w, x in zip(weights, inputs, strict=True):
            state = torch.tanh(w @ state + x)
        return state.square().sum()

    index = torch.arange(width**2).reshape(1, width, width).expand(steps, -1, -1)
    pattern = sharing.IndexPattern(index.contiguous())
    gradient, total = per_use(pattern, weight.flatten(), loss)
    return "recurrent net, 20 steps", weight, loss([weight] * steps), total, pattern, gradient.flatten(1).norm(dim=1)


def autoencoder(rng, width=16, hidden=5):
    data = torch.randn(40, width, generator=rng, dtype=torch.float64)
    net = torch.nn.Sequential(
        torch.nn.Linear(width, hidden, False), torch.nn.Tanh(), torch.nn.Linear(hidden, width, False)
    ).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.randn(hidden, width, generator=rng, dtype=torch.float64) / width**0.5)
    sharing.tie(net, "2.weight", "0.weight", transpose=True)
    weight = net[0].weight
    index = torch.arange(hidden * width).reshape(hidden, width)
    pattern = sharing.IndexPattern(torch.stack([index, index]))
    loss = lambda w: (torch.tanh(data @ w[0].T) @ w[1] - data).square().mean()  # noqa: E731
    gradient, total = per_use(pattern, weight.flatten(), loss)
    return "tied autoencoder, 2 uses", weight, (net(data) - data).square().mean(), total, pattern, gradient


def hashing(rng, width=32, free=40):
    data = torch.randn(50, width, generator=rng, dtype=torch.float64)
    base = torch.randn(free, generator=rng, dtype=torch.float64).requires_grad_()
    pattern = sharing.hashed((width, width), free)
    gradient, total = per_use(pattern, base, lambda m: torch.tanh(data @ m.T / width).square().sum())
    plain = torch.stack([pattern.sign[i] * base[pattern.index[i]] for i in range(width)])
    uses = (gradient * pattern.sign)[pattern.index == 0]
    return "hashed layer, 32 x 32 in 40", base, torch.tanh(data @ plain.T / width).square().sum(), total, pattern, uses


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the same: it takes a second")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    rng = torch.Generator().manual_seed(0)
    drawn = []
    print(f"{'system':30s} {'weights':>8s} {'uses':>6s}   sum over uses against autograd")
    for build in (convolution, recurrent, autoencoder, hashing):
        name, weight, loss, total, pattern, uses = build(rng)
        (expected,) = torch.autograd.grad(loss, weight)
        error = float((total - expected.flatten()).abs().max() / expected.abs().max())
        print(
            f"{name:30s} {pattern.n_free:8d} {int((pattern.index >= 0).sum()):6d}   largest relative difference {error:.1e}"
        )
        if error > 1e-12:
            raise SystemExit(f"{name}: the sum over uses differs from autograd by {error:.1e}")
        drawn.append(uses)

    maps, steps, two, hashed = drawn
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.4), layout="constrained")
    tiles = functional.pad(maps, (1, 1, 1, 1), value=float("nan")).permute(0, 2, 1, 3).reshape(3 * 30, 3 * 30)
    axes[0].imshow(tiles, cmap="RdBu", vmin=-maps.abs().max() / 2, vmax=maps.abs().max() / 2)
    axes[0].set(title="convolution: uses of each tap")
    axes[0].axis("off")
    axes[1].bar(range(1, len(steps) + 1), steps.numpy())
    axes[1].set(yscale="log", xlabel="time", ylabel="part of the gradient", title="recurrent: part of each step")
    both = torch.cat(
        [
            two[0],
            torch.full((1, two.shape[2]), float("nan")),
            two[1],
            torch.full((1, two.shape[2]), float("nan")),
            two.sum(0),
        ]
    )
    axes[2].imshow(both, cmap="RdBu", vmin=-two.abs().max(), vmax=two.abs().max(), aspect="auto")
    axes[2].set(title="encoder, decoder, sum", xticks=[], yticks=[])
    axes[3].bar(range(len(hashed)), hashed.numpy())
    axes[3].axhline(hashed.sum(), color="k", lw=1)
    axes[3].set(title="hashed: uses of one weight, sum", xlabel="use", ylabel="part of the gradient")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "shared_gradient.png", dpi=64)
    print(f"saved {arguments.out / 'shared_gradient.png'}")


if __name__ == "__main__":
    main()
