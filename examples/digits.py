"""Digits turned by any angle, for rotated_digits.py: scikit-learn's and MNIST's; and how nets learn them."""

import gzip
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional


def turned(images, seed):
    """Each image turned by an angle of its own."""
    angle = 2 * math.pi * torch.rand(len(images), generator=torch.Generator().manual_seed(seed))
    zero = torch.zeros_like(angle)
    rows = torch.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], dim=1).reshape(-1, 2, 3)
    grid = functional.affine_grid(rows, images.shape, align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def digits(seed=0):
    """scikit-learn's digits with a border, 14 x 14, and their labels; 400 are to learn from."""
    from sklearn.datasets import load_digits

    images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    images = functional.pad(images.float().reshape(-1, 1, 8, 8) / 16, [3, 3, 3, 3])
    return turned(images, seed), labels, 400


def mnist(folder, seed):
    """MNIST's 10,000 test digits, 28 x 28, and their labels, shuffled; 8,000 are to learn from."""

    def read(name, offset):
        path = Path(folder) / name
        if not path.exists():
            sys.exit(f"{path} is absent: give the folder with the MNIST test digits")
        return torch.from_numpy(np.frombuffer(gzip.open(path).read(), dtype=np.uint8, offset=offset).copy())

    images = turned(read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).float() / 255, seed)
    labels = read("t10k-labels-idx1-ubyte.gz", 8).long()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    images, labels = images[order], labels[order]
    return (images - images[:8000].mean()) / images[:8000].std(), labels, 8000


class Training:
    """AdamW for a number of steps or minutes of processor time; the rate rises over a tenth of it and falls as a cosine."""

    def __init__(self, net, steps=None, minutes=None, rate=2e-2):
        self.net, self.steps, self.minutes, self.rate = net, steps, minutes, rate
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
        self.made, self.seconds = 0, 0.0

    @property
    def spent(self):
        """The part of the steps or minutes that is used up."""
        return self.made / self.steps if self.steps else self.seconds / (60 * self.minutes)

    def step(self, images, labels):
        """One step on 64 of the images."""
        start = time.process_time()
        self.net.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * min(1.0, 10 * self.spent + 0.01) * 0.5 * (1 + math.cos(math.pi * self.spent))
        batch = torch.randint(len(images), (64,))
        loss = functional.cross_entropy(self.net(images[batch]), labels[batch], label_smoothing=0.05)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.made += 1
        self.seconds += time.process_time() - start


def told(net, images):
    """Which digit each image is."""
    net.eval()
    with torch.no_grad():
        return torch.cat([net(some).argmax(1) for some in images.split(250)])


def wrong(net, images, labels):
    """Percent of the images that the net tells wrong."""
    return 100 * float((told(net, images) != labels).float().mean())
