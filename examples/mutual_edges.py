"""Count the edges that go both ways, in graphs whose points all look alike: maps of order 2 against messages between neighbours.

    python examples/mutual_edges.py [--quick] [--out FOLDER]

Every point of these directed graphs has three edges out and three in, so a net of points and messages along edges, either way, sees the same at
every point, and must answer the same for every graph. The maps of order 2 (`nn.SparseTensorLinear`, linear in the edges) hold an
edge against its reverse. The table is the root mean square error on 200 new graphs, over the spread of the answers: 1 is what guessing the
mean gives. Trained on graphs of 8 to 12 points, told also on graphs of 40.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from equishare import nn, sharing

DEGREE = 3


def graph(points, mutual, rng):
    """Edges [2, 3 n]: a union of three cycles, some of them turned around or run through twice in opposite directions."""
    while True:
        edges, way = [], torch.randperm(points, generator=rng)
        for k in range(DEGREE):
            if k and torch.rand((), generator=rng) < mutual:
                way = way.flip(0)  # the reverse of the cycle before
            else:
                way = torch.randperm(points, generator=rng)
            edges.append(torch.stack([way, way.roll(-1)]))
        found = torch.cat(edges, 1)
        if len(torch.unique(found, dim=1).mT) == DEGREE * points:
            return found


def graphs(count, sizes, rng):
    """Edges of all graphs, the graph of each point, and the share of edges whose reverse is there, for each graph."""
    edges, owner, answers, start = [], [], [], 0
    for number in range(count):
        points = int(torch.randint(sizes[0], sizes[1] + 1, (), generator=rng))
        found = graph(points, 0.5, rng)
        keys = found[0] * points + found[1]
        answers.append(torch.isin(found[1] * points + found[0], keys).float().mean())
        edges.append(found + start)
        owner.append(torch.full((points,), number))
        start += points
    return torch.cat(edges, 1), torch.cat(owner), torch.stack(answers)


class SecondOrder(torch.nn.Module):
    """Edges to edges, twice, then to the graph."""

    def __init__(self, width=12):
        super().__init__()
        self.first, self.second = nn.SparseTensorLinear(2, 2, 1, width), nn.SparseTensorLinear(2, 2, width, width)
        self.whole, self.last = nn.SparseTensorLinear(2, 0, width, width), torch.nn.Linear(width, 1)

    def forward(self, edges, owner, count):
        """An answer for each graph [count]."""
        x = torch.ones(edges.shape[1], 1)
        x = torch.relu(self.first(x, edges, graph=owner))
        x = torch.relu(self.second(x, edges, graph=owner))
        return self.last(torch.relu(self.whole(x, edges, graph=owner, graphs=int(count))))[:, 0]


class Messages(torch.nn.Module):
    """Points that hear of those before and after them, three times, then the mean over the graph."""

    def __init__(self, width=32):
        super().__init__()
        sizes = [1, width, width]
        self.layers = torch.nn.ModuleList(torch.nn.Linear(3 * size, width) for size in sizes)
        self.last = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))

    def forward(self, edges, owner, count):
        """An answer for each graph [count]."""
        x = torch.ones(len(owner), 1)
        for layer in self.layers:
            heard = [torch.zeros_like(x).index_add(0, edges[b], x[edges[a]]) for a, b in ((0, 1), (1, 0))]
            x = torch.relu(layer(torch.cat([x, *heard], 1)))
        sums = torch.zeros(count, x.shape[1]).index_add(0, owner, x)
        return self.last(sums / torch.bincount(owner, minlength=count)[:, None])[:, 0]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.steps, arguments.seeds = 2, [0]
    rng = torch.Generator().manual_seed(99)
    tests = {"8 to 12": graphs(200, (8, 12), rng), "40": graphs(200, (40, 40), rng)}
    start, bars = time.process_time(), {}
    for build in (SecondOrder, Messages):
        found = []
        for seed in arguments.seeds:
            torch.manual_seed(seed)
            net, rng = build(), torch.Generator().manual_seed(seed)
            batches = [graphs(32, (8, 12), rng) for _ in range(10)]
            optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.steps)
            for step in range(arguments.steps):
                edges, owner, answers = batches[step % len(batches)]
                optimizer.zero_grad()
                (net(edges, owner, len(answers)) - answers).square().mean().backward()
                optimizer.step()
                schedule.step()
            with torch.no_grad():
                wrong = [(net(e, o, len(a)) - a).square().mean().sqrt() / a.std() for e, o, a in tests.values()]
            found.append([float(w) for w in wrong])
        bars[build.__name__] = torch.tensor(found).mean(0)
        errors = ", ".join(f"{n} points {e:.3f}" for n, e in zip(tests, bars[build.__name__], strict=True))
        if build is SecondOrder:
            few = graphs(2, (8, 12), torch.Generator().manual_seed(5))
            ratio = sharing.report(net, (few[0], few[1], torch.tensor(2))).ratio
            print(f"{'':12s} shared {ratio:,.0f} times on a pair of graphs")
        print(f"{build.__name__:12s} {sum(p.numel() for p in net.parameters()):6,d} weights: {errors}", flush=True)
    print(f"{time.process_time() - start:.0f} s of processor time")
    figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for k, (name, errors) in enumerate(bars.items()):
        ax.bar([x + 0.4 * k for x in range(len(errors))], errors, 0.38, label=name)
    ax.set_xticks([0.2, 1.2], [f"{n} points" for n in tests])
    ax.set(ylabel="error over the spread of the answers")
    ax.legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "mutual_edges.png", dpi=72)
    print(f"saved {arguments.out / 'mutual_edges.png'}")


if __name__ == "__main__":
    main()
