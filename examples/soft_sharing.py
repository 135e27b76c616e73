"""From soft to hard sharing: the strength of the penalty, and when to raise it.

    python examples/soft_sharing.py [--quick] [--out FOLDER]

1. Ten filters w_i = m + s d_i, each seen through n examples. The penalty lambda sum_{i<j} |w_i - w_j|^2 is the prior of a common mean:
   the MAP choice is lambda = sigma^2 / (n T s^2) for a mean squared loss. Between lambda = 0 (free) and infinity (one filter).
2. Sensors hear one frequency, each through its own noise: the loss has many local optima. Hard sharing from the start follows one start;
   a growing lambda (`GeometricSchedule`) lets copies search alone and then agree.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from equishare import sharing

COPIES, WIDTH, SIGMA = 10, 4, 1.0


def copies(values):
    """One bias-free unit a row of ``values`` [copies, width]."""
    net = torch.nn.ModuleList([torch.nn.Linear(values.shape[1], 1, bias=False, dtype=torch.float64) for _ in values])
    with torch.no_grad():
        for layer, row in zip(net, values, strict=True):
            layer.weight.copy_(row[None])
    return net


def stacked(net):
    return torch.cat([layer.weight for layer in net])


def softly_shared(x, y, strength):
    """The filters [copies, width] of least loss at a fixed lambda; with lambda = inf, hard sharing."""
    net = copies(torch.zeros(COPIES, WIDTH, dtype=torch.float64))
    soft = sharing.SoftSharing(net, lambda step: strength, ties=[[f"{i}.weight" for i in range(COPIES)]])
    if strength == float("inf"):
        soft.harden()
    optimizer = torch.optim.LBFGS(
        list(net.parameters()), max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = ((x * stacked(net)[:, None, :]).sum(2) - y).square().mean(1).sum()
        loss = loss if strength == float("inf") else loss + soft.penalty(0)
        loss.backward()
        return loss

    optimizer.step(closure)
    return stacked(net).detach()


def strengths_race(spread, count, strengths, repeats, rng):
    """Mean squared error of a filter against lambda, measured and predicted (white inputs), with standard errors."""
    measured = np.zeros((repeats, len(strengths)))
    for r in range(repeats):
        truth = torch.randn(1, WIDTH, generator=rng, dtype=torch.float64)
        truth = truth + spread * torch.randn(COPIES, WIDTH, generator=rng, dtype=torch.float64)
        x = torch.linalg.qr(torch.randn(COPIES, count, WIDTH, generator=rng, dtype=torch.float64))[0] * count**0.5
        y = (x * truth[:, None, :]).sum(2) + SIGMA * torch.randn(COPIES, count, generator=rng, dtype=torch.float64)
        for k, strength in enumerate(strengths):
            measured[r, k] = (softly_shared(x, y, strength) - truth).square().sum(1).mean()
    kept = 1 / (1 + COPIES * np.array(strengths))  # how much of a difference between copies survives the penalty
    noise = SIGMA**2 / count
    predicted = WIDTH * (noise / COPIES + (1 - 1 / COPIES) * ((1 - kept) ** 2 * spread**2 + kept**2 * noise))
    return measured.mean(0), measured.std(0) / repeats**0.5, predicted


def frequency(schedule, trials, steps, seed=0):
    """Share of sensors that end at the true frequency; None for hard sharing from the start, a schedule for the rest."""
    rng = torch.Generator().manual_seed(seed)
    t = torch.arange(24, dtype=torch.float64)
    truth = 0.6 + 1.2 * torch.rand(trials, generator=rng, dtype=torch.float64)
    heard = torch.cos(truth[:, None] * t) + 0.5 * torch.randn(
        COPIES, trials, len(t), generator=rng, dtype=torch.float64
    )
    net = copies(
        0.3 + 1.8 * torch.rand(COPIES, trials, generator=rng, dtype=torch.float64)
    )  # column: a trial of its own
    names = [f"{i}.weight" for i in range(COPIES)]
    soft = sharing.SoftSharing(net, schedule or (lambda step: 0.0), ties=[names])
    if schedule is None:
        for name in names[1:]:
            sharing.tie(net, name, names[0])
    optimizer = torch.optim.Adam(list(net.parameters()), lr=0.02)
    for step in range(steps):
        loss = (torch.cos(stacked(net)[:, :, None] * t) - heard).square().mean(2).sum()
        optimizer.zero_grad()
        (loss + soft.penalty(step)).backward()
        optimizer.step()
    return ((stacked(net).detach() - truth).abs() < 0.03).double().mean().item()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    repeats, trials, steps = (2, 10, 100) if arguments.quick else (30, 200, 400)
    rng = torch.Generator().manual_seed(0)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")

    spread, count = 0.3, 12
    best = SIGMA**2 / (count * COPIES * spread**2)
    strengths = [0.0, *(best * 10.0 ** np.arange(-2, 3)), float("inf")]
    measured, error, predicted = strengths_race(spread, count, strengths, repeats, rng)
    print(
        f"filters that differ by s = {spread}, {count} examples each; MAP strength lambda = {best:.4f}; error of a filter, {repeats} repeats"
    )
    for row in zip(strengths, measured, error, predicted, strict=True):
        print("  lambda {:9.4f}   measured {:.3f} +- {:.3f}   predicted {:.3f}".format(*row))
    place = np.arange(len(strengths))
    axes[0].errorbar(place, measured, error, fmt="o", label="measured")
    axes[0].plot(place, predicted, color="0.5", label="predicted")
    axes[0].set_xticks(place, ["0", *(f"{s:.2g}" for s in strengths[1:-1]), "hard"])
    axes[0].set(xlabel="lambda (middle: MAP)", ylabel="squared error of a filter")
    axes[0].legend(frameon=False)

    print(f"\none frequency, {COPIES} noisy sensors, many local optima: sensors that end at it, {trials} trials")
    races = {"hard": None} | {f"{s:g}": lambda step, s=s: s for s in (0.0, 0.1, 1.0, 10.0)}
    races["growing"] = sharing.GeometricSchedule(1e-3, 10.0, 3 * steps // 4)
    found = {name: 100 * frequency(schedule, trials, steps) for name, schedule in races.items()}
    for name, share in found.items():
        print(f"  {'lambda ' + name if name[0].isdigit() else name + ' sharing':18s} {share:5.1f} %")
    axes[1].bar(list(found), list(found.values()), color=["C3", *["C0"] * 4, "C2"])
    axes[1].set(xlabel="lambda", ylabel="sensors at the frequency, %")

    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "soft_sharing.png", dpi=72)
    print(f"saved {arguments.out / 'soft_sharing.png'}")


if __name__ == "__main__":
    main()
