"""Digits turned by any angle, for rotated_digits.py: scikit-learn's and MNIST's."""

import gzip
import math
import sys
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
