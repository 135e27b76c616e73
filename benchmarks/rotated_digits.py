"""Rotated MNIST digits against the clock: a C8 net, escnn's C8 reference net, and a plain CNN.

Run ``python benchmarks/rotated_digits.py DATA --minutes 15 --seeds 0 1 2 [--escnn PYTHON]``. DATA is a folder
with the 10,000 MNIST test digits (t10k-*-ubyte.gz); 8,000 of them train and 2,000 test, each turned by an
angle of its own with a fixed seed. Every net trains on one thread for the same processor time, construction
included, with the same optimizer, schedule and batch; no net sees further augmentation. PYTHON is the
interpreter of an environment with escnn. Each result goes into a file as it comes (``--out``), and a second
call goes on where the first ended.

``--validate`` trains on 6,400 of the training digits and tests on the other 1,600: nets were chosen so.
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

import measuring
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
    """Five layers of C8 fields; the lifting layer reads every second pixel with an even, hence centred, kernel."""
    from equishare import groups
    from equishare import nn as symmetric

    warnings.simplefilter("ignore", symmetric.SymmetryWarning)
    G = groups.cyclic(8)
    fields, layers = 8, [symmetric.GroupConv2d(G, 1, 8, 8, lifting=True, stride=2, padding=3, bias=False)]
    for wider, pool in ((12, True), (16, False), (16, False), (24, False)):
        layers += [symmetric.FieldBatchNorm(fields * G.regular()), nn.ReLU()]
        if pool:
            layers.append(symmetric.SpatialPool(fields * G.regular(), 2, reduce="mean"))
        layers.append(symmetric.GroupConv2d(G, fields, wider, 5, bias=False))
        fields = wider
    layers += [
        symmetric.FieldBatchNorm(fields * G.regular()),
        nn.ReLU(),
        symmetric.GroupPool(fields * G.regular()),
    ]
    return nn.Sequential(symmetric.Sequential(*layers), Head(fields))


def plain_net():
    """A CNN of about the same processor time a step, spent the usual way: full resolution first, then wider."""
    layers, channels = [nn.Conv2d(1, 40, 7, padding=3, bias=False)], 40
    for wider, pool in ((40, True), (64, False), (96, True), (128, False), (128, False)):
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


def train(name, folder, minutes, seed, validate):
    """Error in percent after training for a processor time."""
    torch.set_num_threads(1)
    images, labels = load(folder)
    used, end = (6400, 8000) if validate else (8000, 10000)
    start, budget = time.process_time(), 60 * minutes
    torch.manual_seed(seed)
    net = NETS[name]()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    steps, spent = 0, 0.0
    while spent < 1:
        net.train()
        for batch in torch.randperm(used).split(BATCH):
            spent = (time.process_time() - start) / budget
            if spent >= 1:
                break
            for group in optimizer.param_groups:  # a linear start, then half a cosine, in time
                group["lr"] = RATE * min(1.0, 20 * spent + 0.01) * 0.5 * (1 + math.cos(math.pi * spent))
            loss = functional.cross_entropy(net(images[batch]), labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    return {
        "net": name,
        "seed": seed,
        "minutes": minutes,
        "error": error_of(net, images[used:end], labels[used:end]),
        "tested": "validation" if validate else "test",
        "epochs": steps * BATCH / used,
        "steps": steps,
        "weights": sum(p.numel() for p in net.parameters()),
        "machine": measuring.machine("torch", "equishare", "escnn"),
    }


def table(results):
    """One line a net: mean and each seed's error."""
    lines = []
    for name in NETS:
        rows = sorted((r for r in results if r["net"] == name), key=lambda r: r["seed"])
        if rows:
            errors = [r["error"] for r in rows]
            each = " ".join(f"{e:6.2f}" for e in errors)
            epochs = statistics.mean(r["epochs"] for r in rows)
            lines.append(
                f"{name:20s} mean {statistics.mean(errors):6.2f}   seeds {each}   "
                f"{epochs:6.1f} epochs, {rows[0]['weights']:,} weights"
            )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of the digits")
    parser.add_argument("--minutes", type=float, default=15.0, help="processor time of each net and seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--escnn", help="python of an environment with escnn")
    parser.add_argument("--validate", action="store_true", help="judge on a part of the training digits")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "rotated_digits.json")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        name, seed = arguments.run
        print(json.dumps(train(name, arguments.data, arguments.minutes, int(seed), arguments.validate)))
        return
    judged = "validation" if arguments.validate else "test"

    def done():
        found = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
        return found, [r for r in found if r["minutes"] == arguments.minutes and r["tested"] == judged]

    for seed in arguments.seeds:
        for name in arguments.nets:
            python = arguments.escnn if name.startswith("escnn") else sys.executable
            if python is None or any((r["net"], r["seed"]) == (name, seed) for r in done()[1]):
                continue
            command = [python, os.path.abspath(__file__), arguments.data, "--minutes", str(arguments.minutes)]
            command += ["--run", name, str(seed)] + ["--validate"] * arguments.validate
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            out = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if out.returncode:
                sys.exit(f"{name} failed:\n{out.stderr}")
            result = json.loads(out.stdout.splitlines()[-1])
            arguments.out.parent.mkdir(exist_ok=True)
            measuring.save(arguments.out, [*done()[0], result])
            print(f"{name}, seed {seed}: {result['error']:.2f} %", flush=True)
    print(f"{judged} error in percent after {arguments.minutes:g} minutes of processor time")
    print(table(done()[1]))


if __name__ == "__main__":
    main()
