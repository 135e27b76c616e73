"""Digits at any angle from a few hundred examples: a C8 net against a plain one, in under a minute.

    python examples/rotated_digits.py [--quick] [--out FOLDER]

Needs scikit-learn for its bundled 8 x 8 digits: ``pip install "equishare[examples]"``. Both nets have the same
layers and about the same number of weights.
"""

import argparse
import math
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from equishare import groups, nn, sharing


def digits(seed=0):
    """Digits enlarged to 14 x 14, each turned by an angle of its own, and their labels."""
    images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    images = functional.pad(images.float().reshape(-1, 1, 8, 8) / 16, [3, 3, 3, 3])
    angle = 2 * math.pi * torch.rand(len(images), generator=torch.Generator().manual_seed(seed))
    zero = torch.zeros_like(angle)
    rows = torch.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], dim=1).reshape(-1, 2, 3)
    grid = functional.affine_grid(rows, [len(images), 1, 14, 14], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False), labels


def symmetric_net(fields=12):
    G = groups.cyclic(8)
    rep = fields * G.regular()
    body = nn.Sequential(
        nn.GroupConv2d(G, 1, fields, 5, lifting=True),
        nn.FieldBatchNorm(rep),
        torch.nn.ReLU(),
        nn.SpatialPool(rep, 2, reduce="mean"),
        nn.GroupConv2d(G, fields, fields, 5),
        nn.FieldBatchNorm(rep),
        torch.nn.ReLU(),
        nn.GroupConv2d(G, fields, fields, 5),
        nn.FieldBatchNorm(rep),
        torch.nn.ReLU(),
        nn.GroupPool(rep),
    )
    head = [torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(), torch.nn.Linear(fields, 10)]
    return torch.nn.Sequential(body, *head)


def plain_net(channels=28):
    layers, before = [], 1
    for pool in (True, False, False):
        layers += [torch.nn.Conv2d(before, channels, 5, padding=2), torch.nn.BatchNorm2d(channels)]
        layers += [torch.nn.ReLU()] + ([torch.nn.AvgPool2d(2)] if pool else [])
        before = channels
    head = [torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(), torch.nn.Linear(channels, 10)]
    return torch.nn.Sequential(*layers, *head)


def train(net, images, labels, steps=200):
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(len(images), (64,))
        loss = functional.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    warnings.simplefilter("ignore", nn.SymmetryWarning)  # 14 pixels are pooled by twos without a rest
    images, labels = digits()
    known, unknown = slice(0, 400), slice(400, None)
    print("400 digits to learn from, each at one angle; 1,397 others to tell, at angles of their own\n")
    told = []
    for name, build in (("C8", symmetric_net), ("plain", plain_net)):
        torch.manual_seed(0)
        start = time.perf_counter()
        net = train(build(), images[known], labels[known], steps=3 if arguments.quick else 200)
        with torch.no_grad():
            guess = net(images[unknown]).argmax(1)
        right = (guess == labels[unknown]).float().mean()
        told.append(guess)
        weights = sum(p.numel() for p in net.parameters())
        print(f"{name:6s} {100 * right:5.1f} % right, {weights:,} weights, {time.perf_counter() - start:.0f} s")
        if name == "C8":
            print(f"       shared {sharing.report(net).ratio:.0f} times; frozen to plain torch: ", end="")
            difference = float((nn.to_torch(net)(images[:8]) - net(images[:8])).detach().abs().max())
            print(f"same outputs to {difference:.0e}")
    figure, axes = plt.subplots(3, 8, figsize=(8, 3.6), layout="constrained")
    for i, ax in enumerate(axes.flat):
        ax.imshow(images[unknown][i, 0], cmap="gray_r")
        ax.set_title(f"{labels[unknown][i]}: {told[0][i]}, {told[1][i]}", fontsize=8)
        ax.axis("off")
    figure.suptitle("digit: told by C8, by the plain net", fontsize=9)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "rotated_digits.png", dpi=80)
    print(f"saved {arguments.out / 'rotated_digits.png'}")


if __name__ == "__main__":
    main()
