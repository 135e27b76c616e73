"""Tell shapes from points on them: DeepSets against an MLP of equal size.

    python examples/point_cloud.py [--out point_cloud.png]

A cloud holds 24 to 48 points on the surface of one of six bodies, in any order, turned about the vertical axis, stretched by up to a
fifth and shaken. DeepSets reads them as a set; the MLP reads the same numbers in a row. The table is the accuracy on clouds never seen,
against the number of clouds learned from, mean over seeds.
"""

import argparse
import math
import time

import torch
from matplotlib.figure import Figure
from torch.nn import functional

from equishare import nn

LARGEST = 48
BODIES = ("sphere", "cube", "cylinder", "cone", "torus", "helix")


def surface(body, rng, shape):
    """Points [*shape, 3] on a body of size 1."""
    u, v = torch.rand(2, *shape, generator=rng)
    turn = 2 * math.pi * u
    if body == "sphere":
        z = 2 * v - 1
        return torch.stack([(1 - z**2).sqrt() * turn.cos(), (1 - z**2).sqrt() * turn.sin(), z], -1)
    if body == "cube":
        inside = 2 * torch.rand(*shape, 3, generator=rng) - 1
        face = functional.one_hot(torch.randint(3, shape, generator=rng), 3).bool()
        return 0.8 * torch.where(face, inside.sign(), inside)
    if body == "cylinder":
        return torch.stack([0.8 * turn.cos(), 0.8 * turn.sin(), 2 * v - 1], -1)
    if body == "cone":
        return torch.stack([v.sqrt() * turn.cos(), v.sqrt() * turn.sin(), 1 - 2 * v.sqrt()], -1)
    if body == "torus":
        radius = 0.75 + 0.3 * (2 * math.pi * v).cos()
        return torch.stack([radius * turn.cos(), radius * turn.sin(), 0.3 * (2 * math.pi * v).sin()], -1)
    return torch.stack([0.8 * (2 * turn).cos(), 0.8 * (2 * turn).sin(), 2 * u - 1], -1)


def clouds(count, generator):
    """Points [count, 48, 3], zero at padding, their mask and the number of the body."""
    each = [surface(body, generator, (count, LARGEST)) for body in BODIES]
    labels = torch.randint(len(BODIES), (count,), generator=generator)
    x = torch.stack(each)[labels, torch.arange(count)]
    angle = 2 * math.pi * torch.rand(count, generator=generator)
    turned = torch.zeros(count, 3, 3)
    turned[:, 0, 0] = turned[:, 1, 1] = angle.cos()
    turned[:, 0, 1], turned[:, 1, 0], turned[:, 2, 2] = -angle.sin(), angle.sin(), 1
    stretch = 1 + 0.4 * (torch.rand(count, 1, 3, generator=generator) - 0.5)
    x = stretch * (x @ turned) + 0.08 * torch.randn(x.shape, generator=generator)
    mask = torch.arange(LARGEST) < torch.randint(24, LARGEST + 1, (count, 1), generator=generator)
    return x * mask[..., None], mask, labels


class DeepSets(torch.nn.Module):
    """Two equivariant layers, mean and maximum over the set, two layers on these."""

    def __init__(self, width=56):
        super().__init__()
        self.first, self.second = nn.SetLinear(3, width), nn.SetLinear(width, width)
        self.pool = nn.SetPool(("mean", "max"))
        head = [torch.nn.Linear(2 * width, width), torch.nn.ReLU(), torch.nn.Linear(width, len(BODIES))]
        self.head = torch.nn.Sequential(*head)

    def forward(self, x, mask):
        """Scores [clouds, bodies]."""
        x = torch.relu(self.first(x, mask))
        return self.head(self.pool(torch.relu(self.second(x, mask)), mask))


class MLP(torch.nn.Module):
    """Two hidden layers on all coordinates in a row."""

    def __init__(self, width=68):
        super().__init__()
        body = [torch.nn.Linear(3 * LARGEST, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU()]
        self.body = torch.nn.Sequential(*body, torch.nn.Linear(width, len(BODIES)))

    def forward(self, x, mask):
        """Scores [clouds, bodies]."""
        return self.body(x.flatten(1))


def train(build, count, seed, steps):
    """The accuracy on 1,000 clouds never seen."""
    rng = torch.Generator().manual_seed(seed)
    x, mask, labels = clouds(count, rng)
    torch.manual_seed(seed)
    net = build()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(count, (32,), generator=rng)
        loss = functional.cross_entropy(net(x[chosen], mask[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    x, mask, labels = clouds(1000, torch.Generator().manual_seed(1000 + seed))
    with torch.no_grad():
        return 100 * float((net(x, mask).argmax(1) == labels).float().mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="point_cloud.png")
    parser.add_argument("--counts", type=int, nargs="+", default=[60, 120, 240, 480, 960, 1920])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    start, curves = time.process_time(), {}
    weights = {build.__name__: sum(p.numel() for p in build().parameters()) for build in (DeepSets, MLP)}
    print(f"accuracy on clouds never seen, mean of {arguments.seeds} seeds (lowest, highest); guessing: 17 %")
    print(f"{'clouds':>6s}" + "".join(f"{f'{name}, {size:,} weights':>28s}" for name, size in weights.items()))
    for count in arguments.counts:
        line = f"{count:6d}"
        for build in (DeepSets, MLP):
            scores = torch.tensor([train(build, count, seed, arguments.steps) for seed in range(arguments.seeds)])
            curves.setdefault(build.__name__, []).append(scores)
            line += f"{float(scores.mean()):.1f} % ({float(scores.min()):.1f}, {float(scores.max()):.1f})".rjust(28)
        print(line, flush=True)
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    for name, scores in curves.items():
        scores = torch.stack(scores)
        axes.plot(arguments.counts, scores.mean(1), "o-", label=f"{name}, {weights[name]:,} weights")
        axes.fill_between(arguments.counts, scores.amin(1), scores.amax(1), alpha=0.2)
    axes.set(xscale="log", xlabel="clouds to learn from", ylabel="bodies told apart, %", ylim=(0, 102))
    axes.set_xticks(arguments.counts, arguments.counts)
    axes.minorticks_off()
    axes.legend()
    x, mask, labels = clouds(60, torch.Generator().manual_seed(0))
    for i, body in enumerate(BODIES):
        place = right.add_subplot(2, 3, i + 1, projection="3d")
        example = int((labels == i).nonzero()[0])
        place.scatter(*x[example][mask[example]].T, s=8)
        place.set(title=body, xticks=[], yticks=[], zticks=[], xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), zlim=(-1.2, 1.2))
    figure.savefig(arguments.out, dpi=110)
    print(f"saved {arguments.out}; {time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
