"""How far a `FourierActivation` is from its law, by the number of samples: the table of its docstring.

    python benchmarks/sampled_activations.py

Relative error of f(g x) against g f(x), mean over 8 random elements, coefficients of unit size, ELU (and ReLU in brackets).
"""

import torch

from equishare import groups, nn

SPACES = [
    (groups.so2(), 3, "group"),
    (groups.o2(), 3, "sphere"),
    (groups.so3(), 2, "group"),
    (groups.so3(), 3, "group"),
    (groups.o3(), 2, "sphere"),
    (groups.o3(), 3, "sphere"),
]


def error(layer):
    """Of one layer."""
    x = torch.randn(256, layer.rep_in.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for seed in range(8):
        g = layer.rep_in.group.random(torch.Generator().manual_seed(seed))
        turned = layer(x @ layer.rep_in(g).mT) - layer(x) @ layer.rep_out(g).mT
        found.append(float(turned.norm() / layer(x).norm()))
    return sum(found) / len(found)


def main():
    print(
        "| space | degree | coefficients | 2 samples each | 4 | 8 | 16 |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for group, degree, space in SPACES:
        size = nn.FourierActivation(group, 1, degree, space=space).field.size
        cells = []
        for many in (2, 4, 8, 16):
            smooth, kinked = (
                error(nn.FourierActivation(group, 1, degree, function, samples=many * size, space=space))
                for function in (torch.nn.ELU(), torch.nn.ReLU())
            )
            cells.append(f"{100 * smooth:.2g} ({100 * kinked:.2g})")
        print(f"| {group}, {space} | {degree} | {size} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
