"""The same net four times: dense, locally connected, convolutional, group-convolutional. Which symmetry do the data have?

    python examples/digits_four_ways.py [--quick] [--data FOLDER] [--out FOLDER]

Two hidden layers of the same sizes read digits: scikit-learn's (8 x 8), or with --data those of a folder with MNIST's files
(*-images-idx3-ubyte.gz and labels; averaged to 14 x 14). The nets differ only in which weights are the same: none; none, but only
neighbours are read; those of all positions; those of all positions and quarter turns. Digits in the middle of their image need
neither symmetry; shifted ones need the first, and ones that lie at random quarter turns both.
"""

import argparse
import gzip
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from equishare import groups, nn

TURNS = groups.cyclic(4)


def read_idx(path):
    """The array of an IDX file, MNIST's format: two zero bytes, type 8 (bytes), number of axes, their sizes, the data."""
    raw = gzip.decompress(path.read_bytes())
    axes = raw[3]
    sizes = np.frombuffer(raw, ">i4", axes, offset=4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(sizes).copy())


def digits(folder):
    """Images [n, 1, size, size] from 0 to 1, and labels, in a random order."""
    if folder:
        (images,), (labels,) = folder.glob("*-images-idx3-ubyte.gz"), folder.glob("*-labels-idx1-ubyte.gz")
        images = functional.avg_pool2d(read_idx(images).unsqueeze(1) / 255.0, 2)
        labels = read_idx(labels).long()
    else:
        images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
        images = images.float().reshape(-1, 1, 8, 8) / 16
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order], labels[order]


def moved(images, shift, turn):
    """Each image on a canvas two pixels wider on each side, shifted by up to two and turned by quarters at random, if asked."""
    rng = torch.Generator().manual_seed(1)
    images = functional.pad(images, [2, 2, 2, 2])
    shifts = torch.randint(-2, 3, (len(images), 2), generator=rng).tolist()
    turns = torch.randint(4, (len(images),), generator=rng).tolist()
    if shift:
        images = torch.stack([image.roll(s, (1, 2)) for image, s in zip(images, shifts, strict=True)])
    if turn:
        images = torch.stack([image.rot90(k, (1, 2)) for image, k in zip(images, turns, strict=True)])
    return images


class Dense(torch.nn.Module):
    """A linear map between images, every weight its own."""

    def __init__(self, before, after, size):
        super().__init__()
        self.linear, self.shape = torch.nn.Linear(before * size * size, after * size * size), (after, size, size)

    def forward(self, x):
        """The map."""
        return self.linear(x.flatten(1)).unflatten(1, self.shape)


def net(kind, size, width):
    """Image -> layer -> pooling by two -> layer -> the largest value of each channel -> 10 scores."""
    after = width
    if kind == "group convolution":  # half as many fields of four channels: as many weights as the convolution
        fields = width // 2
        layers = nn.GroupConv2d(TURNS, 1, fields, 5, lifting=True), nn.GroupConv2d(TURNS, fields, 2 * fields, 5)
        last, after = [nn.GroupPool(2 * fields * TURNS.regular())], fields
    else:
        last = []
        if kind == "convolution":
            layers = torch.nn.Conv2d(1, width, 5, padding=2), torch.nn.Conv2d(width, 2 * width, 5, padding=2)
        elif kind == "locally connected":
            layers = (
                nn.LocallyConnected2d(1, width, size, 5, padding=2),
                nn.LocallyConnected2d(width, 2 * width, size // 2, 5, padding=2),
            )
        else:
            layers = Dense(1, width, size), Dense(width, 2 * width, size // 2)
    steps = [layers[0], torch.nn.ReLU(), torch.nn.AvgPool2d(2), layers[1], torch.nn.ReLU(), *last]
    return torch.nn.Sequential(
        *steps, torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(), torch.nn.Linear(2 * after, 10)
    )


def accuracy(kind, images, labels, known, steps, seed, width):
    """Percent right of held-out digits, and the number of weights."""
    torch.manual_seed(seed)
    model = net(kind, images.shape[-1], width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(known, (64,), generator=rng)
        loss = functional.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        right = model(images[-750:]).argmax(1) == labels[-750:]
    return 100 * float(right.float().mean()), sum(p.numel() for p in model.parameters())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps, one size, one seed")
    parser.add_argument("--data", type=Path, help="folder with MNIST's files instead of the bundled digits")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    images, labels = digits(arguments.data)
    sizes, steps, seeds, width = ((60,), 5, 1, 4) if arguments.quick else ((100, 1000), 200, 2, 8)
    cases = {"in the middle": (False, False), "shifted": (True, False), "shifted and turned": (True, True)}
    print(
        f"percent right of 750 digits, mean of {seeds} seeds, after learning from {' and '.join(map(str, sizes))} of them"
    )
    print(f"{'':20s} {'weights':>9s}" + "".join(f"{name:>22s}" for name in cases))
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", sharey=True)
    for kind in ("dense", "locally connected", "convolution", "group convolution"):
        row = ""
        for axes, (name, how) in zip(panels, cases.items(), strict=True):
            data = moved(images, *how)
            runs = [[accuracy(kind, data, labels, n, steps, seed, width) for seed in range(seeds)] for n in sizes]
            means = [sum(right for right, _ in run) / seeds for run in runs]
            axes.plot(sizes, means, "o-", label=kind)
            axes.set(xscale="log", xlabel="digits to learn from", title=name)
            row += f"{'  '.join(f'{mean:.1f}' for mean in means):>22s}"
        print(f"{kind:20s} {runs[0][0][1]:9,}{row}", flush=True)
    panels[0].set_ylabel("percent right")
    panels[2].legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "digits_four_ways.png", dpi=90)
    print(f"saved {arguments.out / 'digits_four_ways.png'}")


if __name__ == "__main__":
    main()
