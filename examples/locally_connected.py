"""Dense, locally connected, convolution: the same map with fewer and fewer weights, counted, checked and drawn.

    python examples/locally_connected.py [--quick] [--out FOLDER]

Counts the weights of the three, shows that tying a locally connected layer over its positions gives torch's convolution,
and draws the three matrices that act on a flattened image: full, banded, and doubly block Toeplitz.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn import functional

from equishare import nn, sharing


def weights(module):
    return sum(p.numel() for p in module.parameters())


def counts():
    """The literature's counts, from modules that exist (without memory: on the meta device)."""
    dense = torch.nn.Linear(32 * 32, 512, bias=False, device="meta")
    print(f"dense, 32 x 32 pixels to 512 units                     {weights(dense):>9,} weights")
    local = nn.LocallyConnected2d(3, 8, in_size=32, kernel_size=5, device="meta")
    conv = torch.nn.Conv2d(3, 8, 5)
    print(f"locally connected, 3 x 32 x 32 to 8 x 28 x 28, 5 x 5    {weights(local):>9,}")
    print(f"convolution of the same sizes                          {weights(conv):>9,}")
    print(f"  ratio {weights(local) / weights(conv):.0f} = 28 * 28, the number of positions")
    small = nn.LocallyConnected2d(1, 1, in_size=32, kernel_size=3, device="meta")
    ratio = sharing.report(torch.nn.Conv2d(1, 1, 3), torch.zeros(1, 1, 32, 32)).ratio
    print(f"3 x 3 filter and bias on 32 x 32: {weights(small):,} against 10, ratio {ratio:.0f} = 30 * 30\n")


def tie(size, kernel):
    """Three layers that compute the same, and their matrices."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(1, 1, kernel, bias=False, dtype=torch.float64)
    local = nn.LocallyConnected2d(1, 1, size, kernel, bias=False, dtype=torch.float64)
    untied = local.matrix_pattern().expand(local.weight.detach().flatten())
    sharing.share(local, "weight", local.convolution_pattern())
    with torch.no_grad():
        local.parametrizations.weight.original.copy_(conv.weight.flatten())
    dense = local.to_torch()
    x = torch.randn(16, 1, size, size, dtype=torch.float64)
    for name, layer in (("locally connected, tied", local), ("dense, Toeplitz matrix", dense)):
        error = float((layer(x) - conv(x)).detach().abs().max())
        print(f"{name:24s} against torch's convolution: largest difference {error:.0e}")
    pattern = sharing.toeplitz(kernel, (size, size))
    same = torch.equal(pattern.expand(conv.weight.flatten()), dense[1].weight)
    print(f"its matrix is sharing.toeplitz's, entry by entry: {same}")
    print(
        f"  {pattern.shape[0]} x {pattern.shape[1]}, {int((pattern.index >= 0).sum()):,} entries not zero, {pattern.n_free} weights"
    )
    full = torch.randn(pattern.shape, dtype=torch.float64)
    return {"dense": full, "locally connected": untied, "convolution": dense[1].weight.detach()}


def cost(repeats):
    """Processor time of a training step of the three, on the same sizes."""
    x = torch.randn(32, 3, 32, 32)
    local = nn.LocallyConnected2d(3, 8, 32, 5)
    layers = {"convolution": torch.nn.Conv2d(3, 8, 5), "locally connected": local}
    print("\none training step, batch 32, 3 x 32 x 32 to 8 x 28 x 28 (processor time, best of several)")
    for name, layer in layers.items():
        best = np.inf
        for _ in range(repeats):
            start = time.process_time()
            functional.relu(layer(x)).sum().backward()
            best = min(best, time.process_time() - start)
        print(f"  {name:18s} {1000 * best:6.1f} ms")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller image and fewer repeats")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    counts()
    matrices = tie(*((6, 3) if arguments.quick else (9, 3)))
    cost(2 if arguments.quick else 10)

    figure, panels = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for axes, (name, matrix) in zip(panels, matrices.items(), strict=True):
        values = np.ma.masked_equal(matrix.numpy(), 0.0)
        axes.imshow(values, cmap="turbo", interpolation="nearest")
        axes.set_title(f"{name}: {len(np.unique(values.compressed())):,} weights")
        axes.set(xlabel="input pixel", ylabel="output pixel")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "locally_connected.png", dpi=90)
    print(f"saved {arguments.out / 'locally_connected.png'}")


if __name__ == "__main__":
    main()
