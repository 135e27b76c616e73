"""The same net four times: dense, locally connected, convolutional, group-convolutional. Which symmetry do the data have?

    python examples/digits_four_ways.py [--quick] [--data FOLDER] [--out FOLDER]

Two hidden layers of the same sizes read digits: scikit-learn's (8 x 8), or with --data those of a folder with MNIST's files (*-images-idx3-ubyte.gz
and labels; averaged to 14 x 14). They differ only in which weights are the same: none; none, but only neighbours are read; those of all
positions; those of all positions and quarter turns. Upright digits have the third symmetry; digits lying at random quarter turns the fourth.
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


def lying(images):
    """Each image turned by a random number of quarter turns."""
    turns = torch.randint(4, (len(images),), generator=torch.Generator().manual_seed(1))
    every = torch.stack([images.rot90(k, (2, 3)) for k in range(4)])
    return every[turns, torch.arange(len(images))]


class Dense(torch.nn.Module):
    """A linear map between images, every weight its own."""

    def __init__(self, before, after, size):
        super().__init__()
        self.linear, self.shape = torch.nn.Linear(before * size * size, after * size * size), (after, size, size)

    def forward(self, x):
        """The map."""
        return self.linear(x.flatten(1)).unflatten(1, self.shape)


def net(kind, size, width=16):
    """Image -> layer -> pooling by two -> layer -> the largest value of each channel -> 10 scores."""
    after = width
    if kind == "group convolution":  # half as many fields of four channels: as many weights as the convolution
        fields = width // 2
        layers = nn.GroupConv2d(TURNS, 1, fields, 3, lifting=True), nn.GroupConv2d(TURNS, fields, 2 * fields, 3)
        last, after = [nn.GroupPool(2 * fields * TURNS.regular())], fields
    else:
        last = []
        if kind == "convolution":
            layers = torch.nn.Conv2d(1, width, 3, padding=1), torch.nn.Conv2d(width, 2 * width, 3, padding=1)
        elif kind == "locally connected":
            layers = (
                nn.LocallyConnected2d(1, width, size, 3, padding=1),
                nn.LocallyConnected2d(width, 2 * width, size // 2, 3, padding=1),
            )
        else:
            layers = Dense(1, width, size), Dense(width, 2 * width, size // 2)
    steps = [layers[0], torch.nn.ReLU(), torch.nn.AvgPool2d(2), layers[1], torch.nn.ReLU(), *last]
    return torch.nn.Sequential(
        *steps, torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(), torch.nn.Linear(2 * after, 10)
    )


def accuracy(kind, images, labels, known, steps, seed):
    """Percent right of held-out digits, and the number of weights."""
    torch.manual_seed(seed)
    model = net(kind, images.shape[-1])
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps, one size, one seed")
    parser.add_argument("--data", type=Path, help="folder with MNIST's files instead of the bundled digits")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args()
    images, labels = digits(arguments.data)
    sizes, steps, seeds = ((60,), 10, 1) if arguments.quick else ((60, 250, 1000), 200, 2)
    print(f"percent right of 750 digits, mean of {seeds} seeds, after learning from so many")
    print(
        f"{'':20s} {'weights':>9s}   {'upright':>{8 * len(sizes)}s}   {'lying at quarter turns':>{max(22, 8 * len(sizes))}s}"
    )
    print(f"{'':32s}" + 2 * ("".join(f"{n:8d}" for n in sizes) + "   "))
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
    for kind in ("dense", "locally connected", "convolution", "group convolution"):
        row = []
        for axes, data in zip(panels, (images, lying(images)), strict=True):
            runs = [[accuracy(kind, data, labels, n, steps, seed) for seed in range(seeds)] for n in sizes]
            means = [sum(right for right, _ in run) / seeds for run in runs]
            axes.plot(sizes, means, "o-", label=kind)
            row.append("".join(f"{mean:8.1f}" for mean in means))
        print(f"{kind:20s} {runs[0][0][1]:9,}   {'   '.join(row)}")
    for axes, title in zip(panels, ("upright", "lying at random quarter turns"), strict=True):
        axes.set(xscale="log", xlabel="digits to learn from", title=title)
    panels[0].set_ylabel("percent right")
    panels[1].legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "digits_four_ways.png", dpi=90)
    print(f"saved {arguments.out / 'digits_four_ways.png'}")


if __name__ == "__main__":
    main()
