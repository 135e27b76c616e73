"""Rotated MNIST digits against the clock: a C8 net, escnn's C8 reference net, and a plain CNN.

Run ``python benchmarks/rotated_digits.py DATA --minutes 15 --seeds 3 [--escnn PYTHON]``. DATA is a folder
with the 10,000 MNIST test digits (t10k-*-ubyte.gz); 8,000 of them train and 2,000 test, each turned by an
angle of its own with a fixed seed. Every net trains for the same wall-clock time, construction included, with
the same optimizer, schedule and batch; no net sees further augmentation. PYTHON is the interpreter of an
environment with escnn.
"""

import argparse
import gzip
import json
import math
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BATCH, RATE = 64, 2e-3


def load(folder):
    """Turned images [10000, 1, 28, 28] of mean zero and deviation one, and labels, shuffled."""

    def read(name, offset):
        path = Path(folder) / name
        if not path.exists():
            sys.exit(f"{path} is absent: give the folder with the MNIST test digits")
        return np.frombuffer(gzip.open(path).read(), dtype=np.uint8, offset=offset).copy()

    images = torch.from_numpy(read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)).float() / 255
    labels = torch.from_numpy(read("t10k-labels-idx1-ubyte.gz", 8)).long()
    rng = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand(len(images), generator=rng)
    zero = torch.zeros_like(angle)
    rows = torch.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], dim=1).reshape(-1, 2, 3)
    images = functional.grid_sample(images, functional.affine_grid(rows, images.shape, False), align_corners=False)
    order = torch.randperm(len(images), generator=rng)
    images, labels = images[order], labels[order]
    return (images - images[:8000].mean()) / images[:8000].std(), labels


class Head(nn.Module):
    """Mean and maximum over positions, then a small network on the invariants."""

    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * channels, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10)
        )

    def forward(self, x):
        """Class scores."""
        return self.layers(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))


def equishare_net():
    from equishare import groups
    from equishare import nn as symmetric

    warnings.simplefilter("ignore", symmetric.SymmetryWarning)
    G = groups.cyclic(8)
    fields, layers = 16, [symmetric.GroupConv2d(G, 1, 16, 7, lifting=True, bias=False)]
    for wider, pool in ((16, True), (32, False), (32, True), (48, False), (48, False)):
        layers += [symmetric.FieldBatchNorm(fields * G.regular()), nn.ReLU()]
        if pool:
            layers.append(symmetric.SpatialPool(fields * G.regular(), 2, reduce="mean"))
        layers.append(symmetric.SeparableGroupConv2d(G, fields, wider, 5, bias=False))
        fields = wider
    layers += [
        symmetric.FieldBatchNorm(fields * G.regular()),
        nn.ReLU(),
        symmetric.GroupPool(fields * G.regular()),
    ]
    return nn.Sequential(symmetric.Sequential(*layers), Head(fields))


def plain_net():
    """A CNN of the same depth, kernels and pooling, with channels for about the same arithmetic."""
    layers, channels = [nn.Conv2d(1, 32, 7, padding=3, bias=False)], 32
    for wider, pool in ((32, True), (48, False), (64, True), (96, False), (96, False)):
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        if pool:
            layers.append(nn.AvgPool2d(2))
        layers.append(nn.Conv2d(channels, wider, 5, padding=2, bias=False))
        channels = wider
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(), Head(channels))


def escnn_net():
    """The C8 steerable CNN of escnn's documentation, for images of 29 x 29."""
    from escnn import gspaces
    from escnn import nn as enn

    space = gspaces.rot2dOnR2(8)
    inputs = enn.FieldType(space, [space.trivial_repr])

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            layers, before = [enn.MaskModule(inputs, 29, margin=1)], inputs
            plan = ((24, 7, 1), (48, 5, 2), "pool", (48, 5, 2), (96, 5, 2), "pool", (96, 5, 2), (64, 5, 1))
            for item in plan:
                if item == "pool":
                    layers.append(enn.PointwiseAvgPoolAntialiased(before, sigma=0.66, stride=2))
                    continue
                fields, kernel, padding = item
                after = enn.FieldType(space, fields * [space.regular_repr])
                layers += [
                    enn.R2Conv(before, after, kernel, padding=padding, bias=False),
                    enn.InnerBatchNorm(after),
                    enn.ReLU(after, inplace=True),
                ]
                before = after
            layers.append(enn.PointwiseAvgPoolAntialiased(before, sigma=0.66, stride=1, padding=0))
            layers.append(enn.GroupPooling(before))
            self.body = enn.SequentialModule(*layers)
            self.head = nn.Sequential(nn.LazyLinear(64), nn.BatchNorm1d(64), nn.ELU(inplace=True), nn.Linear(64, 10))
            self.eval()(torch.zeros(2, 1, 28, 28))

        def forward(self, x):
            x = functional.interpolate(x, size=29, mode="bilinear", align_corners=False)
            return self.head(self.body(enn.GeometricTensor(x, inputs)).tensor.flatten(1))

    return Net()


NETS = {"equishare C8": equishare_net, "plain CNN": plain_net, "escnn C8 reference": escnn_net}


def error_of(net, images, labels):
    net.eval()
    with torch.no_grad():
        wrong = sum(
            int((net(x).argmax(1) != y).sum()) for x, y in zip(images.split(250), labels.split(250), strict=True)
        )
    return 100 * wrong / len(labels)


def train(name, folder, minutes, seed):
    """Test error in percent after training for a wall-clock time."""
    images, labels = load(folder)
    start, budget = time.perf_counter(), 60 * minutes
    torch.manual_seed(seed)
    net = NETS[name]()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    steps, epochs, done = 0, 0.0, False
    while not done:
        net.train()
        for batch in torch.randperm(8000).split(BATCH):
            spent = (time.perf_counter() - start) / budget
            if spent >= 1:
                done = True
                break
            for group in optimizer.param_groups:  # a linear start, then half a cosine, in time
                group["lr"] = RATE * min(1.0, 20 * spent + 0.01) * 0.5 * (1 + math.cos(math.pi * spent))
            loss = functional.cross_entropy(net(images[batch]), labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps, epochs = steps + 1, epochs + len(batch) / 8000
    weights = sum(p.numel() for p in net.parameters())
    return {"error": error_of(net, images[8000:], labels[8000:]), "epochs": epochs, "weights": weights}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of the digits")
    parser.add_argument("--minutes", type=float, default=15.0, help="training time of each net and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--escnn", help="python of an environment with escnn")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.run:
        name, seed = arguments.run
        print(json.dumps(train(name, arguments.data, arguments.minutes, int(seed))))
        return
    print(f"{arguments.minutes:g} minutes a net on {arguments.threads} threads; test error in percent of 2,000")
    for name in NETS:
        python = arguments.escnn if name.startswith("escnn") else sys.executable
        if python is None:
            continue
        results = []
        for seed in range(arguments.seeds):
            command = [python, os.path.abspath(__file__), arguments.data, "--minutes", str(arguments.minutes)]
            command += ["--threads", str(arguments.threads), "--run", name, str(seed)]
            environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
            out = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if out.returncode:
                sys.exit(f"{name} failed:\n{out.stderr}")
            results.append(json.loads(out.stdout.splitlines()[-1]))
        errors = [r["error"] for r in results]
        each = " ".join(f"{e:6.2f}" for e in errors)
        print(
            f"{name:20s} mean {statistics.mean(errors):6.2f}   seeds {each}   "
            f"{results[0]['epochs']:6.1f} epochs, {results[0]['weights']:,} weights",
            flush=True,
        )


if __name__ == "__main__":
    main()
