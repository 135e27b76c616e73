"""Attention heads that share keys and values: multi-head, grouped and multi-query attention; size, speed, loss.

    python examples/shared_keys.py [--quick] [--out FOLDER]

First one query at a time over a long source, as a decoder reads its past: what is kept of the source and the time of a step. Then a net
of two attention layers that reads scikit-learn's digits as sets of points (row, column, ink), with eight heads on 8, 2 and 1 keys and values.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from equishare import nn

HEADS = 8


class Layer(torch.nn.Module):
    """Attention, then two linear maps with a ReLU, both added to what comes in."""

    def __init__(self, channels, kv_heads):
        super().__init__()
        self.attention = nn.SetAttention(channels, HEADS, kv_heads)
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(channels) for _ in range(2))
        self.mix = torch.nn.Sequential(
            torch.nn.Linear(channels, 2 * channels), torch.nn.ReLU(), torch.nn.Linear(2 * channels, channels)
        )

    def forward(self, x, mask):
        """The points, changed."""
        x = x + self.attention(self.norms[0](x), mask=mask)
        return x + self.mix(self.norms[1](x))


class Points(torch.nn.Module):
    """Scores of ten digits from a set of points."""

    def __init__(self, kv_heads, channels=64):
        super().__init__()
        self.read = torch.nn.Sequential(
            torch.nn.Linear(3, channels), torch.nn.ReLU(), torch.nn.Linear(channels, channels)
        )
        self.layers = torch.nn.ModuleList(Layer(channels, kv_heads) for _ in range(2))
        self.scores = torch.nn.Linear(channels, 10)

    def forward(self, points, mask):
        """The scores."""
        x = self.read(points)
        for layer in self.layers:
            x = layer(x, mask)
        return self.scores(x.masked_fill(~mask.unsqueeze(2), 0).sum(1) / mask.sum(1, keepdim=True))


def decoding(kv_heads, length, channels, repeats, sets=8):
    """Numbers kept of each point of the source, and the best processor time of a step: one query of each set over its past."""
    width = channels // HEADS
    query = torch.randn(sets, kv_heads, HEADS // kv_heads, width)  # heads that share are more queries
    key, value = torch.randn(2, sets, kv_heads, length, width)
    best = float("inf")
    with torch.no_grad():
        for _ in range(repeats):
            start = time.process_time()
            functional.scaled_dot_product_attention(query, key, value)
            best = min(best, time.process_time() - start)
    return 2 * kv_heads * width, 1000 * best


def sets(images):
    """Points [n, 40, 3] of the forty darkest pixels: row, column, ink; and where there is ink."""
    ink, pixel = images.sort(dim=1, descending=True)
    ink, pixel = ink[:, :40], pixel[:, :40]
    return torch.stack([pixel // 8 / 4 - 0.9, pixel % 8 / 4 - 0.9, ink], dim=2), ink > 0


def train(kv_heads, points, mask, labels, steps, seed):
    """The curve of the loss on held-out digits, percent right, weights of attention, processor time of a step."""
    torch.manual_seed(seed)
    net = Points(kv_heads)
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    rng = torch.Generator().manual_seed(seed)
    curve, spent = [], 0.0
    for step in range(steps):
        start = time.process_time()
        rows = torch.randint(1000, (32,), generator=rng)
        loss = functional.cross_entropy(net(points[rows], mask[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        spent += time.process_time() - start
        if (step + 1) % (steps // 5) == 0:
            with torch.no_grad():
                scores = net(points[1000:], mask[1000:])
            curve.append((step + 1, float(functional.cross_entropy(scores, labels[1000:]))))
    right = 100 * float((scores.argmax(1) == labels[1000:]).float().mean())
    size = sum(p.numel() for layer in net.layers for p in layer.attention.parameters())
    return curve, right, size, 1000 * spent / steps


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps, one seed, a short source")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    steps, seeds, length, repeats = (10, 1, 256, 2) if arguments.quick else (250, 2, 8192, 20)
    kinds = {"multi-head": HEADS, "grouped": 2, "multi-query": 1}
    print(f"one query over {length:,} points, batch 8, 512 channels, {HEADS} heads")
    for name, kv_heads in kinds.items():
        kept, spent = decoding(kv_heads, length, 512, repeats)
        print(f"  {name:12s} {kept:5d} numbers a point kept  {spent:7.2f} ms a step")
    images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    points, mask = sets(images[order].float() / 16)
    print(f"digits as sets of points, {steps} steps, mean of {seeds} seeds")
    figure, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    for k, (name, kv_heads) in enumerate(kinds.items()):
        runs = [train(kv_heads, points, mask, labels[order], steps, seed) for seed in range(seeds)]
        loss = sum(run[0][-1][1] for run in runs) / seeds
        right = sum(run[1] for run in runs) / seeds
        print(
            f"  {name:12s} {runs[0][2]:7,} weights of attention  loss {loss:.3f}  {right:.1f} % right  {min(run[3] for run in runs):.1f} ms a step"
        )
        for seed, run in enumerate(runs):
            axes.plot(*zip(*run[0], strict=True), color=f"C{k}", label=None if seed else name)
    axes.set(xlabel="step", ylabel="loss on held-out digits", title=f"{HEADS} heads on 8, 2 and 1 keys and values")
    axes.legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "shared_keys.png", dpi=90)
    print(f"saved {arguments.out / 'shared_keys.png'}")


if __name__ == "__main__":
    main()
