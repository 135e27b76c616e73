"""A net of infinite depth: the same layer until nothing changes, with the gradient of the unrolled net and the memory of one layer.

    python examples/equilibrium.py [--quick] [--out FOLDER]

Four measurements: the error falls by the contraction factor a step; the implicit gradient equals the unrolled one; autograd keeps
as much however deep the net; and on scikit-learn's digits it stands beside a stack of layers of their own.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from equishare import nn


class Block(torch.nn.Module):
    """tanh(A z + B x) with |A| = s, the spectral norm: it contracts for s < 1."""

    def __init__(self, inputs, size, bound, dtype=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(size, size, dtype=dtype) / size**0.5)
        self.read, self.bound = torch.nn.Linear(inputs, size, bias=False, dtype=dtype), bound

    def forward(self, z, x):
        """The next state."""
        scale = self.bound / torch.linalg.matrix_norm(self.weight, 2)
        return torch.tanh(z @ (scale * self.weight).mT + self.read(x))


def convergence(bounds, depth):
    """Distance to the fixed point after k steps of one input: it falls by the spectral radius of df/dz there."""
    curves = {}
    for bound in bounds:
        torch.manual_seed(0)
        block = Block(8, 16, bound, torch.float64)
        x, start = 0.1 * torch.randn(1, 8, dtype=torch.float64), torch.zeros(1, 16, dtype=torch.float64)
        tight = nn.Equilibrium(block, tolerance=1e-14, max_iterations=500)
        with torch.no_grad():
            limit = tight(start, x)
            curve = [float((nn.Iterated(block, k)(start, x) - limit).norm() / limit.norm()) for k in range(1, depth)]
        jacobian = torch.autograd.functional.jacobian(lambda z, f=block, x=x: f(z, x), limit).reshape(16, 16)
        radius = float(torch.linalg.eigvals(jacobian).abs().max())
        tail = [k for k, error in enumerate(curve) if error > 1e-11][-1]  # rounding is below
        measured = (curve[tail] / curve[tail // 2]) ** (1 / (tail - tail // 2))
        print(f"  |A| = {bound:.2f}: predicted {radius:.3f} a step, measured {measured:.3f}")
        curves[bound] = curve
    return curves


def gradients():
    """Largest relative difference between the implicit gradient and that through k steps."""
    torch.manual_seed(0)
    block = Block(8, 16, 0.95, torch.float64)
    x, start = torch.randn(32, 8, dtype=torch.float64), torch.zeros(32, 16, dtype=torch.float64)

    def of(net):
        return torch.autograd.grad(net(start, x).square().sum(), list(block.parameters()))

    implicit = of(nn.Equilibrium(block, tolerance=1e-14, max_iterations=500))
    for k in (5, 20, 80):
        unrolled = of(nn.Iterated(block, k))
        worst = max(float((a - b).norm() / a.norm()) for a, b in zip(implicit, unrolled, strict=True))
        print(f"  through {k:2d} steps: relative difference {worst:.0e}")


def kept(net, *inputs):
    """KiB that autograd keeps from the forward to the backward pass, each storage once."""
    storages = {}

    def pack(t):
        storages[t.untyped_storage().data_ptr()] = t  # held, so that no address is used twice
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        net(*inputs).sum()
    return sum(t.untyped_storage().nbytes() for t in storages.values()) / 1024


def memory(depths):
    """What is kept against depth: unrolled, and for an equilibrium that needed as many steps."""
    block, x, start = Block(8, 64, 0.99), torch.randn(256, 8), torch.zeros(256, 64)
    unrolled = [(k, kept(nn.Iterated(block, k), start, x)) for k in depths]
    layers = [nn.Equilibrium(block, tolerance=0.2**k, method="iteration") for k in range(1, 9)]
    implicit = [(kept(layer, start, x), layer.convergence.iterations)[::-1] for layer in layers]
    for name, points in (("unrolled", unrolled), ("implicit", implicit)):
        print(f"  {name} {points[0][0]} to {points[-1][0]} steps: {points[0][1]:,.0f} to {points[-1][1]:,.0f} KiB")
    return {"unrolled": unrolled, "implicit gradient": implicit}


def digits(steps):
    """Accuracy on held-out digits after learning from 300 of them, from a state that starts at zero."""
    images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order].float() / 16, labels[order]
    for name, depth in (("one layer", 1), ("six layers of their own", 6), ("equilibrium", 1)):
        torch.manual_seed(0)
        layers = torch.nn.ModuleList([Block(64, 64, 0.9) for _ in range(depth)] + [torch.nn.Linear(64, 10)])
        if name == "equilibrium":
            layers[0] = nn.Equilibrium(layers[0], tolerance=1e-4)

        def scores(x, layers=layers):
            z = torch.zeros(len(x), 64)
            for layer in layers[:-1]:
                z = layer(z, x)
            return layers[-1](z)

        optimizer = torch.optim.AdamW(layers.parameters(), lr=3e-3)
        for _ in range(steps):
            optimizer.zero_grad()
            functional.cross_entropy(scores(images[:300]), labels[:300]).backward()
            optimizer.step()
        right = 100 * float((scores(images[300:]).argmax(1) == labels[300:]).float().mean())
        taken = f"  ({layers[0].convergence.iterations} evaluations)" if name == "equilibrium" else ""
        print(f"  {name:24s} {sum(p.numel() for p in layers.parameters()):7,} weights  {right:.1f} % right{taken}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few training steps")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    print("convergence")
    curves = convergence((0.5, 0.8, 0.95), 60)
    print("implicit gradient against the unrolled one")
    gradients()
    print("kept for the backward pass")
    lines = memory((1, 5, 10, 20, 40))
    print("digits, 300 to learn from")
    digits(10 if arguments.quick else 300)

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for bound, curve in curves.items():
        left.semilogy(curve, label=f"|A| = {bound}")
    left.set(xlabel="steps", ylabel="distance to the fixed point", ylim=(1e-14, 1))
    for name, points in lines.items():
        right.plot(*zip(*points, strict=True), "o-", label=name)
    right.set(xlabel="steps", ylabel="kept for the backward pass, KiB")
    for axes in (left, right):
        axes.legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "equilibrium.png", dpi=90)
    print(f"saved {arguments.out / 'equilibrium.png'}")


if __name__ == "__main__":
    main()
