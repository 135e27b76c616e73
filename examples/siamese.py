"""One ruler or two: do these two digits show the same number? Twins that share an encoder, against two encoders.

    python examples/siamese.py [--quick] [--out FOLDER]

Pairs of scikit-learn's digits; the contrastive loss of Hadsell, Chopra & LeCun (2006) pulls pairs of one number together and pushes
others a distance of one apart. What one ruler knows before it has seen a pair, two must learn from pairs: that both measure alike.
Pairs of numbers never seen in training ask more: whether it is a ruler at all that was learned.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from equishare import nn

SEEN = 7  # numbers 0 .. 6 are for training, 7 .. 9 for the test


def encoder():
    return torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.ReLU(), torch.nn.Linear(96, 8))


class TwoRulers(torch.nn.Module):
    """The same distance between two encoders of their own."""

    def __init__(self):
        super().__init__()
        self.first, self.second = encoder(), encoder()

    def forward(self, a, b):
        """The distance of each pair."""
        return torch.linalg.vector_norm(self.first(a) - self.second(b), dim=1)


def pairs(images, labels, count, rng):
    """As many pairs of one number as of two."""
    first = torch.randint(len(labels), (count,), generator=rng)
    order = torch.rand(count, len(labels), generator=rng)
    same = labels[first].unsqueeze(1) == labels
    wanted = (torch.arange(count) % 2 == 0).unsqueeze(1)
    second = torch.where(same == wanted, order, -1.0).argmax(1)
    return images[first], images[second], wanted[:, 0]


def contrastive(distance, same):
    return torch.where(same, distance.square(), (1 - distance).clamp(min=0).square()).mean()


def run(build, known, unknown, count, steps, seed):
    """Areas under the ROC curve for held-out digits of known and of unknown numbers, and how far from a distance it is."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    net = build()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    images, labels = known
    a, b, same = pairs(images[:600], labels[:600], max(count, 1), rng)
    for _ in range(steps if count else 0):
        rows = torch.randint(count, (64,), generator=rng)
        loss = contrastive(net(a[rows], b[rows]), same[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores = []
    with torch.no_grad():
        for digits in ((images[600:], labels[600:]), unknown):
            a, b, same = pairs(*digits, 2000, torch.Generator().manual_seed(99))
            scores.append(roc_auc_score(same.numpy(), -net(a, b).numpy()))
        asymmetry = float((net(a, b) - net(b, a)).abs().mean() / net(a, b).mean())
        itself = float(net(a, a).mean() / net(a, b).mean())
    return *scores, asymmetry, itself, net


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one size, one seed, few steps")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    counts, seeds, steps = ((100,), 1, 20) if arguments.quick else ((0, 30, 100, 300, 1000, 10_000), 4, 200)
    images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order].float() / 16, labels[order]
    seen = labels < SEEN
    known, unknown = (images[seen], labels[seen]), (images[~seen], labels[~seen])

    print(f"area under the ROC curve (0.5 is chance, 1 is right), mean of {seeds} seeds ± standard error")
    print(f"{'pairs':>6s} {'':10s} {'known numbers':>16s} {'new numbers':>16s} {'|d(a,b)-d(b,a)|':>16s} {'d(a,a)':>8s}")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    curves, nets = {}, {}
    for count in counts:
        for name, build in (("one ruler", lambda: nn.Siamese(encoder())), ("two rulers", TwoRulers)):
            runs = [run(build, known, unknown, count, steps, seed) for seed in range(seeds)]
            values = torch.tensor([r[:4] for r in runs])
            mean, error = values.mean(0), values.std(0, correction=seeds > 1) / seeds**0.5
            print(
                f"{count:6d} {name:10s} {mean[0]:8.3f} ± {error[0]:.3f} {mean[1]:8.3f} ± {error[1]:.3f} "
                f"{100 * mean[2]:14.1f} % {100 * mean[3]:6.1f} %"
            )
            curves.setdefault(name, []).append((float(mean[1]), float(error[1])))
            nets[name] = runs[0][-1]
    for name, curve in curves.items():
        left.errorbar(counts, [m for m, _ in curve], [e for _, e in curve], marker="o", capsize=3, label=name)
    left.set(
        xlabel="pairs to learn from",
        ylabel="area under the ROC curve",
        title="numbers never seen in training",
        xscale="log",
    )
    left.legend(frameon=False)
    a, b, same = pairs(*unknown, 2000, torch.Generator().manual_seed(99))
    distance = nets["one ruler"](a, b).detach()
    right.hist([distance[same], distance[~same]], 40, label=["same number", "two numbers"])
    right.set(xlabel="distance by one ruler", ylabel="pairs of unseen numbers")
    right.legend(frameon=False)
    sizes = [sum(p.numel() for p in nets[name].parameters()) for name in ("one ruler", "two rulers")]
    print(f"weights: {sizes[0]:,} and {sizes[1]:,}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "siamese.png", dpi=90)
    print(f"saved {arguments.out / 'siamese.png'}")


if __name__ == "__main__":
    main()
