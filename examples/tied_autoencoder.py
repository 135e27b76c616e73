"""Only W^T W is identified: the orthogonal family of equal solutions of a tied autoencoder and of tied embeddings, measured.

    python examples/tied_autoencoder.py [--quick] [--out FOLDER]

A linear autoencoder of scikit-learn's digits (on 4 x 4 pixels), tied (decoder = encoder transposed) and untied, from several random starts. Tied, all
starts find the same W^T W, the projector on the principal axes, and encoders that are turned into each other by an orthogonal matrix;
untied, by any invertible one. Then tied embeddings that learn a table of counts: every start finds the same E E^T.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits

from equishare import nn


class Untied(torch.nn.Module):
    """x' = V W x with two matrices."""

    def __init__(self, features, code):
        super().__init__()
        self.encoder = torch.nn.Linear(features, code, bias=False, dtype=torch.float64)
        self.decoder = torch.nn.Linear(code, features, bias=False, dtype=torch.float64)

    def forward(self, x):
        """The reconstruction."""
        return self.decoder(self.encoder(x))


def minimise(loss, parameters, steps):
    """L-BFGS to convergence; the last value."""
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=steps,
        tolerance_grad=1e-13,
        tolerance_change=1e-18,
        history_size=30,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return float(loss().detach())


def largest_difference(matrices):
    """Between any two of them that follow each other, relative to their size."""
    return max(float((a - b).norm() / a.norm()) for a, b in pairwise(matrices))


def turns(encoders):
    """The map from one encoder to the next, and how far from orthogonal the worst is."""
    maps = [torch.linalg.lstsq(a.mT, b.mT).solution.mT for a, b in pairwise(encoders)]
    eye = torch.eye(len(maps[0]), dtype=maps[0].dtype)
    misfit = max(float((m @ a - b).norm() / b.norm()) for m, a, b in zip(maps, encoders, encoders[1:], strict=False))
    return maps, misfit, max(float((m @ m.mT - eye).norm()) for m in maps)


def autoencoders(x, code, starts, steps):
    axes = torch.linalg.svd(x, full_matrices=False).Vh[:code]
    best = float((x - x @ axes.mT @ axes).square().mean())
    found = {"tied": [], "untied": []}
    for kind, encoders in found.items():
        losses = []
        for seed in range(starts):
            torch.manual_seed(seed)
            tied = kind == "tied"
            net = (
                nn.TiedAutoencoder([x.shape[1], code], bias=False, dtype=torch.float64)
                if tied
                else Untied(x.shape[1], code)
            )
            losses.append(minimise(lambda net=net: (net(x) - x).square().mean(), list(net.parameters()), steps))
            encoders.append((net.weight_0 if tied else net.encoder.weight).detach())
        grams = [w.mT @ w for w in encoders]
        _, misfit, skew = turns(encoders)
        count = sum(p.numel() for p in net.parameters())
        print(
            f"{kind}, {count} weights, {starts} starts; loss above that of the principal axes: {max(losses) / best - 1:.0e}"
        )
        print(f"  encoders W differ by {largest_difference(encoders):.2f}, W^T W by {largest_difference(grams):.0e}")
        print(f"  one encoder is Q times the next to {misfit:.0e}, with |Q Q^T - 1| = {skew:.0e}")
    projector = axes.mT @ axes
    error = largest_difference([projector, found["tied"][0].mT @ found["tied"][0]])
    print(f"tied W^T W against the projector on the principal axes: {error:.0e}")
    net = nn.TiedAutoencoder([x.shape[1], code], bias=False, dtype=torch.float64)
    worst = 0.0
    for seed in range(100):
        q = torch.linalg.qr(
            torch.randn(code, code, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        ).Q
        turned = torch.func.functional_call(net, {"weight_0": q @ net.weight_0}, (x[:50],))
        worst = max(worst, float((turned - net(x[:50])).detach().abs().max()))
    print(f"any tied autoencoder, 100 random orthogonal Q: W -> Q W changes the output by {worst:.0e} at most\n")
    return found


def embeddings(images, features, starts, steps):
    """Co-occurrence of the pixels of a digit: scores s_ij = E_i . E_j fit their covariance."""
    target = torch.cov(images.mT)
    values, vectors = torch.linalg.eigh(target)
    best = (vectors[:, -features:] * values[-features:]) @ vectors[:, -features:].mT
    tables = []
    for seed in range(starts):
        torch.manual_seed(seed)
        layer = nn.TiedEmbedding(len(target), features, bias=False, dtype=torch.float64)
        tokens = torch.arange(len(target))
        minimise(lambda: (layer.scores(layer(tokens)) - target).square().sum(), list(layer.parameters()), steps)  # noqa: B023
        tables.append(layer.weight.detach())
    grams = [e @ e.mT for e in tables]
    print(f"tied embeddings of the pixels, {features} features, fitted to the pixels' covariance, {starts} starts")
    print(f"  embeddings E differ by {largest_difference(tables):.2f}, E E^T by {largest_difference(grams):.0e}")
    print(f"  E E^T against the best of that rank (Eckart-Young): {largest_difference([best, grams[0]]):.0e}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two starts, few digits")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    starts, count, steps = (2, 200, 150) if arguments.quick else (4, 1797, 1500)
    images = torch.as_tensor(load_digits().images[:count], dtype=torch.float64) / 16
    x = torch.nn.functional.avg_pool2d(images.unsqueeze(1), 2).flatten(1)
    x = x - x.mean(0)
    found = autoencoders(x, 4, starts, steps)
    embeddings(x, 4, starts, steps)

    figure, panels = plt.subplots(2, 3, figsize=(9, 6), layout="constrained")
    for row, (kind, encoders) in zip(panels, found.items(), strict=True):
        for axes, w, label in zip(row, encoders, ("one start", "another"), strict=False):
            axes.imshow((w.mT @ w).numpy(), cmap="RdBu", vmin=-0.5, vmax=0.5)
            axes.set_title(f"{kind}: WᵀW, {label}", fontsize=9)
        row[2].imshow((turns(encoders)[0][0] @ turns(encoders)[0][0].mT).numpy(), cmap="RdBu", vmin=-2, vmax=2)
        row[2].set_title(f"{kind}: QQᵀ of the map between them", fontsize=9)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "tied_autoencoder.png", dpi=90)
    print(f"saved {arguments.out / 'tied_autoencoder.png'}")


if __name__ == "__main__":
    main()
