"""Three tasks of other groups than rotations of space: a network for the group against a plain one.

    python examples/invariant_tasks.py [--quick] [--out FOLDER]

The synthetic tasks of Finzi, Welling & Wilson (2021): an invariant of two vectors in five dimensions under O(5), sin|x| - |y|^3 / 2 +
x . y / (|x| |y|); the moment of inertia of five masses, a matrix, under O(3); the matrix element of electron-muon scattering, a
polynomial of four momenta, under the Lorentz group O(1, 3). `nn.emlp` of the group against a multilayer perceptron of as many weights
or more; relative error on 2,000 new samples.
"""

import argparse
import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from equishare import groups, nn, sharing

ETA = torch.diag(torch.tensor([1.0, -1.0, -1.0, -1.0]))


def invariant(count, rng):
    """O(5): two vectors to a number."""
    x = torch.randn(count, 2, 5, generator=rng)
    a, b = x[:, 0], x[:, 1]
    lengths = a.norm(dim=1), b.norm(dim=1)
    y = lengths[0].sin() - lengths[1] ** 3 / 2 + (a * b).sum(1) / (lengths[0] * lengths[1])
    return x.flatten(1), y[:, None]


def inertia(count, rng):
    """O(3): five masses and places to the sum of m (r^2 1 - r r^T)."""
    mass = torch.nn.functional.softplus(torch.randn(count, 5, generator=rng))
    place = torch.randn(count, 5, 3, generator=rng)
    unit = torch.eye(3) * place.square().sum(2)[..., None, None]
    y = (mass[..., None, None] * (unit - place.unsqueeze(3) * place.unsqueeze(2))).sum(1)
    return torch.cat([mass, place.flatten(1)], 1), y.flatten(1)


def scattering(count, rng):
    """O(1, 3): four momenta to p.p' products, as in electron-muon scattering with both masses one."""
    p = torch.randn(count, 4, 4, generator=rng) / 2
    dot = lambda i, j: torch.einsum("bi,ij,bj->b", p[:, i], ETA, p[:, j])  # noqa: E731
    y = dot(0, 2) * dot(1, 3) + dot(0, 3) * dot(1, 2) - dot(0, 1) - dot(2, 3) + 2
    return p.flatten(1), y[:, None]


def representations(name):
    """Of the inputs and outputs."""
    if name == "O(5) invariant":
        group = groups.o(5)
        return 2 * group.defining(), group.trivial()
    if name == "O(3) inertia":
        group = groups.o3()
        return 5 * group.trivial() + 5 * group.defining(), group.defining() * group.defining()
    group = groups.lorentz(full=True)
    return 4 * group.defining(), group.trivial()


TASKS = {"O(5) invariant": invariant, "O(3) inertia": inertia, "O(1, 3) scattering": scattering}


def plain(inputs, outputs, width=96):
    """A multilayer perceptron of three hidden layers."""
    sizes = [inputs, width, width, width]
    hidden = [part for a, b in itertools.pairwise(sizes) for part in (torch.nn.Linear(a, b), torch.nn.SiLU())]
    return torch.nn.Sequential(*hidden, torch.nn.Linear(width, outputs))


def relative_error(net, data, test, steps):
    """After Adam with a cosine; the spread of the targets is the unit."""
    (x, y), scale = data, data[1].std()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = torch.randint(len(x), (200,))
        optimizer.zero_grad()
        ((net(x[batch]) - y[batch] / scale) ** 2).mean().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return ((net(test[0]) * scale - test[1]).norm() / (test[1] - test[1].mean(0)).norm()).item()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps, sizes and seeds")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    counts, steps, seeds = ((100,), 20, 1) if arguments.quick else ((100, 1000), 300, 2)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    print(f"relative error on 2,000 new samples, mean of {seeds} seeds")
    print(
        f"{'task':20s}{'network':10s}{'weights':>8s}"
        + "".join(f"{count:>9d}" for count in counts)
        + "  samples to learn from"
    )
    for ax, (name, task) in zip(axes, TASKS.items(), strict=True):
        rep_in, rep_out = representations(name)
        for kind in ("emlp", "plain"):
            errors = torch.zeros(seeds, len(counts))
            for seed, (k, count) in itertools.product(range(seeds), enumerate(counts)):
                torch.manual_seed(seed)
                net = (
                    nn.emlp(rep_in, rep_out, width=150, layers=2)
                    if kind == "emlp"
                    else plain(rep_in.size, rep_out.size)
                )
                data = task(count, torch.Generator().manual_seed(seed))
                errors[seed, k] = relative_error(net, data, task(2000, torch.Generator().manual_seed(99)), steps)
            weights, means = sum(p.numel() for p in net.parameters()), errors.mean(0)
            print(f"{name:20s}{kind:10s}{weights:8,d}" + "".join(f"{100 * e:8.2f}%" for e in means))
            if kind == "emlp":
                print(f"{'':20s}shared {sharing.report(net).ratio:.0f} times")
            ax.loglog(counts, means, "o-", label=f"{kind}, {weights:,} weights")
        ax.set(xlabel="samples to learn from", ylabel="relative error", title=name)
        ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "invariant_tasks.png", dpi=72)
    print(f"saved {arguments.out / 'invariant_tasks.png'}")


if __name__ == "__main__":
    main()
