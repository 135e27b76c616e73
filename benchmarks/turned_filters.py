"""How far band-limited filters of a `GroupConv2d` are from their law, by the scale of the image: a table of docs/measurements/layers.md.

    python benchmarks/turned_filters.py

Relative error of f(g x) against g f(x) for one turn g by 2 pi / n, regular to regular fields, starting weights of four layers. x is white noise smoothed with a Gaussian
of the given width, and only the inside of the image counts. The interpolation that turns the image is part of the error.
"""

import torch
from scipy import ndimage

from equishare import groups, nn

WIDTHS = (1.0, 1.5, 2.0, 3.0)  # pixels
SIZE = 61


def turned(x, degrees):
    """Each channel turned about the centre of the image."""
    turned = ndimage.rotate(x.numpy(), degrees, axes=(3, 2), reshape=False, order=5, mode="constant")
    return torch.from_numpy(turned)


def error(conv, width):
    """Of one layer, far from the border."""
    group, noise = conv.group, torch.randn(1, conv.rep_in.size, SIZE, SIZE, dtype=torch.float64)
    x = torch.from_numpy(ndimage.gaussian_filter(noise.numpy(), (0, 0, width, width)))
    (g, *_), angle = group.generators, 360 / group.degree
    got = conv(turned(torch.einsum("dc,bcij->bdij", conv.rep_in(g), x), angle))
    expected = turned(torch.einsum("dc,bcij->bdij", conv.rep_out(g), conv(x)), angle)
    axis = torch.arange(SIZE) - SIZE // 2
    inside = (axis[:, None] ** 2 + axis**2).sqrt() < SIZE / 2 - 12
    return float((got - expected)[..., inside].norm() / expected[..., inside].norm())


@torch.no_grad()
def main():
    torch.manual_seed(0)
    print(f"| group | kernel | base weights a field pair | {' | '.join(f'{width:g}' for width in WIDTHS)} |")
    print("| --- " * (3 + len(WIDTHS)) + "|")
    for n, kernel in [(3, 5), (6, 5), (8, 3), (8, 5), (8, 7), (16, 5)]:
        layers = [nn.GroupConv2d(groups.cyclic(n), 2, 2, kernel, bias=False).double() for _ in range(4)]
        errors = [sum(error(layer, width) for layer in layers) / len(layers) for width in WIDTHS]
        weights = layers[0].weight.numel() // 4
        print(f"| C{n} | {kernel} | {weights} | {' | '.join(f'{100 * e:.1f} %' for e in errors)} |")


if __name__ == "__main__":
    main()
