"""Find the odd one out: DeepSets against an MLP of equal size.

    python examples/set_anomaly.py [--out set_anomaly.png]

A set holds 6 to 10 shapes with four attributes (kind, colour, size, angle). In one attribute, no one says which, all are alike but one; the
others vary at random. The task is to point at that one. DeepSets scores each shape with layers that treat all shapes alike; the MLP reads
the same numbers in a row. The table is the accuracy on sets never seen, against the number of sets learned from, mean over seeds.
"""

import argparse
import time

import torch
from matplotlib.figure import Figure
from torch.nn import functional

from equishare import nn

LARGEST, ATTRIBUTES, VALUES = 10, 4, 4
KINDS, COLOURS = "os^D", ("tab:red", "tab:blue", "tab:green", "tab:orange")


def sets(count, generator):
    """One-hot attributes [count, 10, 16], mask [count, 10] and the place of the odd one."""
    shape = count, LARGEST
    values = torch.randint(VALUES, (*shape, ATTRIBUTES), generator=generator)
    size = torch.randint(6, LARGEST + 1, (count, 1), generator=generator)
    mask = torch.arange(LARGEST) < size
    odd = (torch.rand(count, generator=generator) * size[:, 0]).long()
    rule = torch.randint(ATTRIBUTES, (count,), generator=generator)
    common = torch.randint(VALUES, (count, 1), generator=generator)
    other = (common + torch.randint(1, VALUES, (count, 1), generator=generator)) % VALUES
    is_odd = torch.arange(LARGEST) == odd[:, None]
    values[torch.arange(count), :, rule] = torch.where(is_odd, other, common)
    x = functional.one_hot(values, VALUES).flatten(2).float()
    return x * mask[..., None], mask, odd


class DeepSets(torch.nn.Module):
    """Three equivariant layers: a score for each shape."""

    def __init__(self, width=64):
        super().__init__()
        sizes = [ATTRIBUTES * VALUES, width, width, 1]
        self.layers = torch.nn.ModuleList(map(nn.SetLinear, sizes, sizes[1:]))

    def forward(self, x, mask):
        """Scores [sets, shapes]."""
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x, mask))
        return self.layers[-1](x, mask)[..., 0].masked_fill(~mask, -torch.inf)


class MLP(torch.nn.Module):
    """Two hidden layers on all shapes in a row."""

    def __init__(self, width=52):
        super().__init__()
        body = [torch.nn.Linear(LARGEST * ATTRIBUTES * VALUES, width), torch.nn.ReLU()]
        body += [torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, LARGEST)]
        self.body = torch.nn.Sequential(*body)

    def forward(self, x, mask):
        """Scores [sets, shapes]."""
        return self.body(x.flatten(1)).masked_fill(~mask, -torch.inf)


def train(build, count, seed, steps):
    """The trained net and its accuracy on 2,000 sets never seen."""
    rng = torch.Generator().manual_seed(seed)
    x, mask, odd = sets(count, rng)
    torch.manual_seed(seed)
    net = build()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(count, (64,), generator=rng)
        loss = functional.cross_entropy(net(x[chosen], mask[chosen]), odd[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    x, mask, odd = sets(2000, torch.Generator().manual_seed(1000 + seed))
    with torch.no_grad():
        return net, float((net(x, mask).argmax(1) == odd).float().mean())


def draw(axes, x, mask, odd, chosen):
    """One set as shapes on a ring; a dotted ring for the answer, a grey disc for the net's choice."""
    kind, colour, size, angle = x.reshape(LARGEST, ATTRIBUTES, VALUES).argmax(-1).T.tolist()
    n = int(mask.sum())
    for i in range(n):
        at = torch.tensor(2 * torch.pi * i / n)
        place = float(at.cos()), float(at.sin())
        if i == chosen:
            axes.plot(*place, "o", color="lightgrey", markersize=30)
        if i == odd:
            axes.plot(*place, "o", color="black", markersize=30, fillstyle="none", linestyle=":")
        axes.plot(*place, marker=(KINDS[kind[i]]), color=COLOURS[colour[i]], markersize=5 + 4 * size[i])
        tick = torch.tensor(torch.pi / 2 * angle[i])
        axes.plot(
            [place[0], place[0] + 0.2 * float(tick.cos())], [place[1], place[1] + 0.2 * float(tick.sin())], "k", lw=2
        )
    axes.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal", xticks=[], yticks=[])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="set_anomaly.png")
    parser.add_argument("--counts", type=int, nargs="+", default=[50, 100, 200, 400, 800, 1600, 3200, 6400])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()
    start, curves, net = time.process_time(), {}, None
    weights = {build.__name__: sum(p.numel() for p in build().parameters()) for build in (DeepSets, MLP)}
    print(f"accuracy on sets never seen, mean of {arguments.seeds} seeds (lowest, highest); guessing: 13 %")
    print(f"{'sets':>6s}" + "".join(f"{f'{name}, {size:,} weights':>28s}" for name, size in weights.items()))
    for count in arguments.counts:
        line = f"{count:6d}"
        for build in (DeepSets, MLP):
            runs = [train(build, count, seed, arguments.steps) for seed in range(arguments.seeds)]
            scores = torch.tensor([100 * score for _, score in runs])
            net = runs[0][0] if build is DeepSets else net
            curves.setdefault(build.__name__, []).append(scores)
            line += f"{float(scores.mean()):13.1f} % ({float(scores.min()):.1f}, {float(scores.max()):.1f})".rjust(28)
        print(line, flush=True)
    figure = Figure(figsize=(12, 4), layout="constrained")
    axes = figure.subplots(1, 4)
    for name, scores in curves.items():
        scores = torch.stack(scores)
        axes[0].plot(arguments.counts, scores.mean(1), "o-", label=f"{name}, {weights[name]:,} weights")
        axes[0].fill_between(arguments.counts, scores.amin(1), scores.amax(1), alpha=0.2)
    axes[0].set(xscale="log", xlabel="sets to learn from", ylabel="odd one found, %", ylim=(0, 102))
    axes[0].set_xticks(arguments.counts, arguments.counts, rotation=60)
    axes[0].minorticks_off()
    axes[0].legend()
    x, mask, odd = sets(3, torch.Generator().manual_seed(7))
    for i, place in enumerate(axes[1:]):
        draw(place, x[i], mask[i], int(odd[i]), int(net(x, mask)[i].argmax()))
        place.set_title("ring: odd one out; grey: DeepSets' choice", fontsize=8)
    figure.savefig(arguments.out, dpi=110)
    print(f"saved {arguments.out}; {time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
