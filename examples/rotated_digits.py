"""Digits at any angle: nets of C8 fields and of SO(2) fields against a plain one.

    python examples/rotated_digits.py [--quick] [--out FOLDER]
    python examples/rotated_digits.py --mnist FOLDER --minutes 10 --seeds 0 1 2

Without a folder: scikit-learn's bundled 8 x 8 digits (``pip install "equishare[examples]"``), 400 of them to learn from, in about a minute
of processor time. With ``--mnist``, the folder of the 10,000 MNIST test digits (t10k-*-ubyte.gz): 8,000 to learn from and 2,000 to tell,
each turned by an angle of its own (``--turns`` is the seed of angles and split); every net trains for the same processor time. Published,
with all 12,000 training digits of rotated MNIST and 40 epochs: E2CNN's D16 net, 0.68 % wrong (Weiler & Cesa 2019).
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from digits import Training, digits, mnist, told, wrong

from equishare import groups, nn, sharing


def symmetric_net(group, fields, pools):
    """Three convolutions, the image halved before the first ones of the later two; invariants, their maxima over the image."""
    plane = isinstance(group, groups.OrthogonalGroup)

    def activation(count):
        return nn.FourierActivation(group, count, degree=3) if plane else torch.nn.ReLU()

    field = activation(1).field if plane else group.regular()
    layers, before = [], None
    for k, count in enumerate(fields):
        size = 7 if k == 0 and pools == 2 else 5
        if k == 0:
            layers.append(nn.GroupConv2d(group, 1, count, size, lifting=True, field_out=field, bias=False))
        else:
            layers.append(nn.GroupConv2d(group, before, count, size, field_in=field, field_out=field, bias=False))
        layers += [nn.FieldBatchNorm(count * field), activation(count)]
        if k < pools:
            layers.append(nn.AntialiasedPool(count * field))
        before = count
    layers.append(nn.GroupPool(before * field, "norm" if plane else "max"))
    body = nn.Sequential(*layers)
    channels = body.rep_out.size
    head = [torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(), torch.nn.BatchNorm1d(channels)]
    return torch.nn.Sequential(body, *head, torch.nn.Linear(channels, 10))


def plain_net(channels, pools):
    """The same without symmetry."""
    layers, before = [], 1
    for k, count in enumerate(channels):
        size = 7 if k == 0 and pools == 2 else 5
        layers += [torch.nn.Conv2d(before, count, size, padding=size // 2, bias=False), torch.nn.BatchNorm2d(count)]
        layers += [torch.nn.ReLU()] + ([torch.nn.AvgPool2d(2)] if k < pools else [])
        before = count
    head = [torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(), torch.nn.BatchNorm1d(before)]
    return torch.nn.Sequential(*layers, *head, torch.nn.Linear(before, 10))


def build(name, large):
    """A net by its name, for 14 x 14 or 28 x 28 pixels; the plain ones cost about as much processor time a step."""
    if name == "plain":
        return plain_net((40, 64, 128) if large else (28, 28, 28), 2 if large else 1)
    group = groups.cyclic(8) if name == "C8" else groups.so2()
    return symmetric_net(group, (8, 12, 16) if large else (12, 12, 12), 2 if large else 1)


def train(net, known, unknown, **amount):
    """Train; on the way, an eighth after the other, the part spent and the percent of the others told wrong."""
    training, curve = Training(net, **amount), []
    while training.spent < 1:
        training.step(*known)
        if training.spent >= min(1.0, (len(curve) + 1) / 8):
            curve.append((training.spent, wrong(net, *unknown)))
    return training, curve


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps, and few digits to tell")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    parser.add_argument("--mnist", type=Path, help="folder of the MNIST test digits")
    parser.add_argument("--minutes", type=float, default=10, help="processor time of a net, with --mnist")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--turns", type=int, default=0, help="seed of the angles and of the split")
    parser.add_argument("--nets", nargs="+", default=["C8", "SO(2)", "plain"])
    arguments = parser.parse_args(argv)
    large = arguments.mnist is not None
    images, labels, count = mnist(arguments.mnist, arguments.turns) if large else digits(arguments.turns)
    known, unknown = slice(0, count), slice(count, count + 100 if arguments.quick else None)
    print(f"{count:,} digits to learn from, {len(labels[unknown]):,} others to tell, each at an angle of its own")
    guesses = {}
    for name in arguments.nets:
        for seed in arguments.seeds:
            torch.manual_seed(seed)
            net = build(name, large)
            amount = (
                {"minutes": arguments.minutes}
                if large and not arguments.quick
                else {"steps": 3 if arguments.quick else 200}
            )
            training, curve = train(net, (images[known], labels[known]), (images[unknown], labels[unknown]), **amount)
            weights = sum(p.numel() for p in net.parameters())
            print(
                f"{name:6s} seed {seed}: {curve[-1][1]:5.2f} % wrong, {weights:,} weights, {training.made:,} steps, "
                f"{training.seconds:.0f} s of processor time",
                flush=True,
            )
            print("       on the way " + ", ".join(f"{part:.0%}: {error:.2f}" for part, error in curve), flush=True)
        guesses[name] = told(net, images[unknown])
        if name != "plain":
            print(f"       shared {sharing.report(net).ratio:.0f} times; ", end="")
            difference = float((nn.to_torch(net)(images[:8]) - net(images[:8])).detach().abs().max())
            print(f"made plain torch: same outputs to {difference:.0e}")
    figure, axes = plt.subplots(3, 8, figsize=(8, 3.6), layout="constrained")
    for i, ax in enumerate(axes.flat):
        ax.imshow(images[unknown][i, 0], cmap="gray_r")
        ax.set_title(f"{labels[unknown][i]}: " + ", ".join(str(int(g[i])) for g in guesses.values()), fontsize=8)
        ax.axis("off")
    figure.suptitle(f"digit: told by {', '.join(guesses)}", fontsize=9)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "rotated_digits.png", dpi=80)
    print(f"saved {arguments.out / 'rotated_digits.png'}")


if __name__ == "__main__":
    main()
