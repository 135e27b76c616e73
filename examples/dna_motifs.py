"""Finding a binding motif on either strand of DNA: a reverse-complement-equivariant net against a plain one.

A motif sits on one strand or the other; read from the other side it is its reverse complement. The
equivariant net knows that, the plain one must learn both. The table is test accuracy against the number of
training sequences.

    python examples/dna_motifs.py [--quick] [--out FOLDER]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from equishare import groups, nn

MOTIF = "TGACGTTAGC"
LENGTH = 60
STRANDS = groups.cyclic(2)
BASES = STRANDS.action([(3, 2, 1, 0)])  # channels A, C, G, T; the complement swaps A with T and C with G


def sequences(count, generator):
    """One-hot sequences [count, 4, LENGTH], half with a motif on a random strand, letters kept with 80 %."""
    letters = torch.randint(4, (count, LENGTH), generator=generator)
    motif = torch.tensor(["ACGT".index(c) for c in MOTIF])
    labels = (torch.arange(count) % 2).float()
    for i in range(1, count, 2):
        start = int(torch.randint(LENGTH - len(motif), (), generator=generator))
        kept = torch.rand(len(motif), generator=generator) < 0.8
        planted = motif if torch.rand((), generator=generator) < 0.5 else (3 - motif).flip(0)
        window = letters[i, start : start + len(motif)]
        letters[i, start : start + len(motif)] = torch.where(kept, planted, window)
    return functional.one_hot(letters, 4).mT.float(), labels


def equivariant_net(fields=16):
    rep = fields * STRANDS.regular()
    body = nn.Sequential(
        nn.GroupConv1d(STRANDS, 1, fields, 11, field_in=BASES),
        torch.nn.ReLU(),
        nn.GroupPool(rep, dimension=1),
    )
    return torch.nn.Sequential(body, torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten(), torch.nn.Linear(fields, 1))


def plain_net(channels=32):
    body = [torch.nn.Conv1d(4, channels, 11, padding=5), torch.nn.ReLU()]
    return torch.nn.Sequential(*body, torch.nn.AdaptiveMaxPool1d(1), torch.nn.Flatten(), torch.nn.Linear(channels, 1))


def accuracy(build, count, seed, steps):
    """Test accuracy after training on ``count`` sequences."""
    rng = torch.Generator().manual_seed(seed)
    x, y = sequences(count, rng)
    x_test, y_test = sequences(2000, rng)
    torch.manual_seed(seed)
    net = build()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-2)
    for _ in range(steps):
        batch = torch.randint(count, (64,), generator=rng)
        loss = functional.binary_cross_entropy_with_logits(net(x[batch])[:, 0], y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float(((net(x_test)[:, 0] > 0) == (y_test > 0.5)).float().mean())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 200, 400, 800, 1600, 3200])
    parser.add_argument("--quick", action="store_true", help="two sizes, one seed, few steps")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.steps, arguments.seeds, arguments.counts = 20, 1, [100, 400]
    print(f"test accuracy, mean of {arguments.seeds} seeds")
    print(f"{'sequences':>9s} {'equivariant':>12s} {'plain':>8s}")
    rows = []
    for count in arguments.counts:
        means = []
        for build in (equivariant_net, plain_net):
            scores = [accuracy(build, count, seed, arguments.steps) for seed in range(arguments.seeds)]
            means.append(sum(scores) / len(scores))
        print(f"{count:9d} {100 * means[0]:11.1f}% {100 * means[1]:7.1f}%")
        rows.append(means)
    figure, axes = plt.subplots(figsize=(4, 3.2), layout="constrained")
    axes.semilogx(arguments.counts, 100 * torch.tensor(rows), "o-", label=["equivariant", "plain"])
    axes.set(xlabel="training sequences", ylabel="motif found, % of sequences")
    axes.legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "dna_motifs.png", dpi=80)
    print(f"saved {arguments.out / 'dna_motifs.png'}")


if __name__ == "__main__":
    main()
