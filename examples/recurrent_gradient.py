"""Sharing in time: how the gradient of a recurrent net grows, and what one set of weights for all times buys.

    python examples/recurrent_gradient.py [--quick] [--out FOLDER]

First part: h_t = tanh(W h_{t-1} + u_t), W random with gain g. A gradient through T steps grows as (s W)^T: g s a step, where s is the
root-mean-square slope of tanh at the spread of its input that mean-field theory gives (Poole et al. 2016). Second part: a recurrent net
learns a recurrent net from N sequences, with its weights tied over time, over blocks of time, or not at all.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from equishare import sharing

DRIVE = 0.3  # standard deviation of the inputs u_t


def slope(gain):
    """Root-mean-square slope at the fixed point q = g^2 E[tanh(sqrt(q) z)^2] + drive^2."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    weights = weights / weights.sum()
    q = 1.0
    for _ in range(500):
        q = gain**2 * weights @ np.tanh(q**0.5 * nodes) ** 2 + DRIVE**2
    return (weights @ (1 - np.tanh(q**0.5 * nodes) ** 2) ** 2) ** 0.5


def gradient_norms(gain, tied, rng, width=200, steps=60, warm=30):
    """Norm of a random gradient sent back through 0 .. steps steps."""
    draw = lambda: gain * torch.randn(width, width, generator=rng, dtype=torch.float64) / width**0.5  # noqa: E731
    weights = [draw()] * (steps + warm) if tied else [draw() for _ in range(steps + warm)]
    state, jacobians = torch.randn(width, generator=rng, dtype=torch.float64), []
    for w in weights:
        state = torch.tanh(w @ state + DRIVE * torch.randn(width, generator=rng, dtype=torch.float64))
        jacobians.append((1 - state**2)[:, None] * w)
    back = torch.randn(width, generator=rng, dtype=torch.float64)
    norms = [back.norm()]
    for jacobian in reversed(jacobians[warm:]):
        back = jacobian.T @ back
        norms.append(back.norm())
    return torch.stack(norms) / norms[0]


def run(weights, inputs):
    """Last states [batch, width] of nets with weights [steps, width, 2 width] on inputs [batch, steps, width]."""
    state = torch.zeros(inputs.shape[0], inputs.shape[2])
    for w, x in zip(weights, inputs.unbind(1), strict=True):
        state = torch.tanh(torch.cat([state, x], dim=1) @ w.T)
    return state


def learn(block, count, rng, width=6, steps=12, epochs=250):
    """Test error, in units of the noise variance, of weights shared within blocks of time, and their number."""
    full = torch.randn(width, 2 * width, generator=rng) * (1.0 / width) ** 0.5
    index = (
        torch.arange(full.numel()).reshape(1, *full.shape)
        + (torch.arange(steps) // block * full.numel())[:, None, None]
    )
    pattern, noise = sharing.IndexPattern(index), 0.1
    inputs = torch.randn(count + 1000, steps, width, generator=rng)
    clean = run(full.expand(steps, -1, -1), inputs)
    target = clean + noise * torch.randn(clean.shape, generator=rng)
    base = (0.2 * torch.randn(pattern.n_free, generator=rng)).requires_grad_()
    optimizer = torch.optim.Adam([base], lr=2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        loss = (run(pattern.expand(base), inputs[:count]) - target[:count]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        error = (run(pattern.expand(base), inputs[count:]) - clean[count:]).square().mean() / noise**2
    return error.item(), pattern.n_free


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer gains, seeds and sequences")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    gains = (0.5, 2.0) if arguments.quick else (0.5, 0.8, 1.0, 1.5, 2.0, 3.0)
    seeds, counts, epochs = (1, (60,), 40) if arguments.quick else (3, (30, 100, 300, 1000), 250)

    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
    rng = torch.Generator().manual_seed(0)
    print(
        "growth of the gradient a step: g s of mean-field theory, measured with W tied over time and with a W for each time"
    )
    print("   gain   slope s   g s      tied              untied")
    rates = []
    for i, gain in enumerate(gains):
        predicted, row = gain * slope(gain), []
        for tied in (True, False):
            norms = torch.stack([gradient_norms(gain, tied, rng) for _ in range(3 if arguments.quick else 8)])
            rate = (norms[:, -1] / norms[:, 10]) ** (1 / (norms.shape[1] - 11))
            row += [rate.mean().item(), rate.std().item() / len(rate) ** 0.5]
            if tied:
                axes[0].plot(norms.log().mean(0).exp(), color=f"C{i}", label=f"g = {gain}")
                axes[0].plot(predicted ** torch.arange(norms.shape[1]), color=f"C{i}", ls=":")
        rates.append((predicted, *row))
        print(
            f"{gain:7.1f} {predicted / gain:9.3f} {predicted:7.3f}   {row[0]:.3f} +- {row[1]:.3f}   {row[2]:.3f} +- {row[3]:.3f}"
        )

    print("\na recurrent net learned from N sequences of 12 steps; error / noise variance, mean +- standard error")
    print("weights shared over" + "".join(f"{f'N = {n}':>19s}" for n in counts))
    blocks = {12: "all 12 times", 4: "4 times", 1: "1 time (untied)"}
    for block, name in blocks.items():
        errors, weights = [], 0
        for count in counts:
            results = [learn(block, count, torch.Generator().manual_seed(seed), epochs=epochs) for seed in range(seeds)]
            weights = results[0][1]
            values = np.array([r[0] for r in results])
            errors.append((values.mean(), values.std() / max(seeds - 1, 1) ** 0.5))
        print(
            f"{name:18s} " + "".join(f"{mean:9.2f} +- {error:5.2f}" for mean, error in errors) + f"   {weights} weights"
        )
        axes[2].errorbar(counts, *np.array(errors).T, fmt="o-", label=f"{name}: {weights} weights")
    axes[0].set(yscale="log", xlabel="steps back in time", ylabel="norm of the gradient", title="dotted: (g s)^T")
    axes[0].legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
    predicted, *measured = np.array(rates).T
    axes[1].errorbar(predicted, measured[0], measured[1], fmt="o", label="tied")
    axes[1].errorbar(predicted, measured[2], measured[3], fmt="s", mfc="none", label="untied")
    axes[1].plot(predicted, predicted, color="0.6", lw=1)
    axes[1].set(xlabel="growth a step, predicted", ylabel="measured", title="(s W)^T")
    axes[1].legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    axes[2].set(xscale="log", yscale="log", xlabel="sequences", ylabel="test error / noise variance")
    axes[2].legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "recurrent_gradient.png", dpi=72)
    print(f"saved {arguments.out / 'recurrent_gradient.png'}")


if __name__ == "__main__":
    main()
