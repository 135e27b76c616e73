"""How many weights sharing saves, counted layer by layer: a convolutional net for digits, and one convolution by hand.

    python examples/weight_counts.py [--quick] [--out FOLDER]

A map from H x W pixels of c channels to as many of c' has (H W)^2 c c' weights if it is dense, k^2 c c' if one filter of k x k taps
serves every position (LeCun et al. 1998); between them stands the locally connected layer, a filter of its own at each position. The net is the
usual one for MNIST: convolution to 32 channels, pooling, convolution to 64, pooling, 128 hidden units, ten digits.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

from equishare import sharing


def digits_net():
    """The usual net for 28 x 28 digits."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def count(net, example):
    """(name, shared, locally connected, dense) weights of each layer with weights, biases included."""
    shapes, rows = {}, []
    for name, layer in net.named_children():
        layer.register_forward_hook(lambda _, x, y, name=name: shapes.update({name: (x[0][0].numel(), y[0].numel())}))
    untied = {row.names[0]: row.untied for row in sharing.report(net, example).rows}
    for name, layer in net.named_children():
        if parameters := dict(layer.named_parameters()):
            inputs, outputs = shapes[name]
            local = sum(untied[f"{name}.{p}"] for p in parameters)
            rows.append(
                (type(layer).__name__, sum(p.numel() for p in parameters.values()), local, (inputs + 1) * outputs)
            )
    return rows


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="as without it: counting takes no time")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)

    print("one map of H x W pixels, c to c' channels: (H W)^2 c c' dense, k^2 c c' shared")
    for size, c, c_out, k in ((32, 1, 1, 3), (32, 3, 8, 5)):
        dense, shared = size**4 * c * c_out, k * k * c * c_out
        print(
            f"  {size} x {size}, {c} to {c_out}, {k} x {k} taps: {size * size}^2 x {c} x {c_out} = {dense:,} dense, {shared:,} shared"
        )
    rows = count(digits_net(), torch.zeros(1, 1, 28, 28))
    print("the net for digits, weights and biases:")
    print(f"  {'layer':10s}{'shared':>12s}{'local':>14s}{'dense':>16s}")
    for name, *numbers in rows:
        print(f"  {name:10s}{numbers[0]:12,d}{numbers[1]:14,d}{numbers[2]:16,d}")
    total = [sum(row[k] for row in rows) for k in (1, 2, 3)]
    print(f"  {'total':10s}{total[0]:12,d}{total[1]:14,d}{total[2]:16,d}")

    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for k, (label, colour) in enumerate((("shared", "C0"), ("a filter at each position", "C1"), ("dense", "C2")), 1):
        axes.bar(
            [i + 0.27 * (k - 2) for i in range(len(rows))], [row[k] for row in rows], 0.25, label=label, color=colour
        )
    axes.set(yscale="log", ylabel="weights", xticks=range(len(rows)))
    axes.set_xticklabels(["conv 1 to 32", "conv 32 to 64", "dense 128", "dense 10"])
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "weight_counts.png", dpi=72)
    print(f"saved {arguments.out / 'weight_counts.png'}")


if __name__ == "__main__":
    main()
