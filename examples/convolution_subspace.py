"""Sharing as projection: the Hessian of an unshared layer on the subspace of convolutions is better conditioned.

    python examples/convolution_subspace.py [--quick] [--out FOLDER]

A layer of 24 inputs and 20 outputs (logistic, cross-entropy) is trained in three nested spaces: dense, locally connected, convolution.
On a subspace with orthonormal basis Q the Hessian is Q^T H Q, and its eigenvalues lie between those of H (Cauchy). Gradient
descent contracts by (kappa - 1) / (kappa + 1) a step, measured beside it. `SharingPattern.project` is the projection.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from equishare import sharing

INPUTS, TAPS = 24, 5


def signals(count, rng, correlation=0.9):
    """Stationary signals [count, 24] whose neighbours have this correlation."""
    x = torch.randn(count, INPUTS, generator=rng, dtype=torch.float64)
    for t in range(1, INPUTS):
        x[:, t] = correlation * x[:, t - 1] + (1 - correlation**2) ** 0.5 * x[:, t]
    return x


def spaces():
    """The nested spaces of weights, by name."""
    convolution = sharing.toeplitz(TAPS, INPUTS)
    inside = convolution.index >= 0
    local = torch.where(inside, torch.cumsum(inside.flatten(), 0).reshape(inside.shape) - 1, -1)
    dense = torch.arange(inside.numel()).reshape(inside.shape)
    return {
        "dense": sharing.IndexPattern(dense),
        "locally connected": sharing.IndexPattern(local),
        "convolution": convolution,
    }


def projected(hessian, pattern):
    """Q^T H Q: the rows, then the columns, projected to base weights and brought to an orthonormal basis."""
    uses = pattern.as_matrix().square().sum(0)
    rows = pattern.project(hessian.reshape(-1, *pattern.shape)) * uses.sqrt()
    return (pattern.project(rows.mT.reshape(-1, *pattern.shape)) * uses.sqrt()).mT


def descend(pattern, loss, solution, step, steps):
    """Distances to the solution under gradient descent in a space; the gradient is projected and expanded again."""
    weight, distances = torch.zeros_like(solution), []
    for _ in range(steps):
        gradient = torch.func.grad(loss)(weight)
        weight = weight - step * pattern.expand(pattern.project(gradient))
        distances.append((weight - solution).norm().item())
    return torch.tensor(distances)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps of gradient descent")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    steps = 300 if arguments.quick else 3000

    rng = torch.Generator().manual_seed(0)
    x = signals(300, rng)
    patterns = spaces()
    taps = torch.tensor([0.3, -0.8, 1.0, -0.8, 0.3], dtype=torch.float64)
    solution = patterns["convolution"].expand(taps)
    target = torch.sigmoid(x @ solution.T)  # expected labels: the three spaces have one and the same optimum

    def loss(weight):
        return functional.binary_cross_entropy_with_logits(x @ weight.T, target)

    hessian = torch.func.hessian(loss)(solution).reshape(solution.numel(), -1)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    print(
        "space                weights   smallest    largest   condition   contraction, predicted and measured   to 1e-3"
    )
    before = None
    for name, pattern in patterns.items():
        values = torch.linalg.eigvalsh(projected(hessian, pattern))
        low, high = values[0].item(), values[-1].item()
        if before is not None and not (before[0] * (1 - 1e-9) <= low <= high <= before[1] * (1 + 1e-9)):
            raise SystemExit(f"{name}: eigenvalues from {low} to {high} leave those of the larger space, {before}")
        before = low, high
        distances = descend(pattern, loss, solution, 2 / (low + high), steps) / solution.norm()
        last = distances[distances > 1e-10]
        measured = (last[-1] / last[-len(last) // 4]) ** (1 / (len(last) // 4 - 1))
        predicted = (high - low) / (high + low)
        reached = (distances < 1e-3).nonzero()
        when = f"{int(reached[0]) + 1} steps" if len(reached) else f"not in {steps}"
        print(
            f"{name:20s} {pattern.n_free:7d} {low:10.2e} {high:10.2e} {high / low:11.1f} {predicted:18.5f} {measured:18.5f}   {when}"
        )
        axes[0].plot(torch.linspace(0, 1, len(values)), values, "o-", ms=3, label=name)
        axes[1].plot(distances, label=name)
    axes[0].set(yscale="log", xlabel="place, smallest to largest", ylabel="eigenvalue", title="Hessian, projected")
    axes[0].legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    axes[1].set(
        yscale="log", xscale="log", xlabel="step of gradient descent", ylim=(1e-8, 2), ylabel="distance to the solution"
    )
    axes[2].imshow(patterns["convolution"].index + 1, cmap="viridis")
    axes[2].set(title="equal colours, equal weights", xlabel="input", ylabel="output")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "convolution_subspace.png", dpi=72)
    print(f"saved {arguments.out / 'convolution_subspace.png'}")


if __name__ == "__main__":
    main()
