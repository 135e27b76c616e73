"""The hashing trick: accuracy against memory, with and without the sign hash, and against a smaller dense net.

    python examples/hashing.py [--quick] [--out FOLDER]

A net with one hidden layer learns scikit-learn's digits. Its matrices are expanded from a fraction of their weights by hashes; for
each fraction it is compared with the same without signs and with a dense net made narrower until it has as many weights. Then the same
for an embedding of the words of the language reference that comes with Python: which word comes next, from the two before it.
"""

import argparse
import re
from collections import Counter
from pathlib import Path
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from equishare import nn, sharing


def unsigned(inputs, outputs, n_free):
    """A linear layer hashed without signs: sharing.share with the pattern's indices alone."""
    layer = torch.nn.Linear(inputs, outputs)
    sharing.share(layer, "weight", sharing.IndexPattern(sharing.hashed((outputs, inputs), n_free).index, None, n_free))
    with torch.no_grad():
        layer.parametrizations.weight.original.uniform_(-(inputs**-0.5), inputs**-0.5)
    return layer


def digit_net(kind, ratio, hidden):
    """A net of 64 - hidden - 10, with 1/ratio of the weights."""
    if kind == "smaller dense":
        width = max(1, round(hidden / ratio))
        layers = torch.nn.Linear(64, width), torch.nn.Linear(width, 10)
    elif kind == "hashed":
        layers = (
            nn.HashedLinear(64, hidden, max(1, 64 * hidden // ratio)),
            nn.HashedLinear(hidden, 10, max(1, 10 * hidden // ratio), seed=1),
        )
    else:
        layers = unsigned(64, hidden, max(1, 64 * hidden // ratio)), unsigned(hidden, 10, max(1, 10 * hidden // ratio))
    return torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1])


def fit(net, x, y, steps, batch, rate, seed):
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), generator=rng)
        loss = functional.cross_entropy(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net


def digits(ratios, seeds, steps, hidden=200):
    """Errors in percent on held-out digits by kind and ratio, mean over seeds and its standard error."""
    images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    images, labels = images[order].float() / 16, labels[order]
    table = {}
    for kind in ("hashed", "hashed, no signs", "smaller dense"):
        for ratio in ratios:
            errors = []
            for seed in range(seeds):
                torch.manual_seed(seed)
                net = fit(digit_net(kind, ratio, hidden), images[:1000], labels[:1000], steps, 64, 1e-2, seed)
                with torch.no_grad():
                    wrong = net(images[1000:]).argmax(1) != labels[1000:]
                errors.append(100 * float(wrong.float().mean()))
            errors = torch.tensor(errors)
            table[kind, ratio] = float(errors.mean()), float(errors.std(correction=min(1, seeds - 1))) / seeds**0.5
    return table


def words(ratios, steps, size=4000, features=32):
    """Bits a word on held-out text, by ratio, for a hashed embedding and for one of fewer features."""
    found = re.findall(r"[a-z]+|[^a-z\s]", "\n".join(topics[name] for name in sorted(topics)).lower())
    number = {word: k for k, (word, _) in enumerate(Counter(found).most_common(size - 1))}
    tokens = torch.tensor([number.get(word, size - 1) for word in found])
    pairs, following = torch.stack([tokens[:-2], tokens[1:-1]], 1), tokens[2:]
    split = len(pairs) * 9 // 10
    for ratio in ratios:
        row = []
        for kind in ("hashed", "fewer features"):
            torch.manual_seed(0)
            width = features if kind == "hashed" else max(1, features // ratio)
            embedding = (
                nn.HashedEmbedding(size, width, size * features // ratio)
                if kind == "hashed"
                else torch.nn.Embedding(size, width)
            )
            net = torch.nn.Sequential(
                embedding,
                torch.nn.Flatten(),
                torch.nn.Linear(2 * width, 64),
                torch.nn.ReLU(),
                torch.nn.Linear(64, size),
            )
            fit(net, pairs[:split], following[:split], steps, 256, 5e-3, 0)
            with torch.no_grad():
                row.append(float(functional.cross_entropy(net(pairs[split:]), following[split:])) / 0.6931)
        print(
            f"  1/{ratio:<3d} {size * features // ratio:8,} weights   hashed {row[0]:.3f}   fewer features {row[1]:.3f}"
        )


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two ratios, one seed, few steps")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    ratios, seeds, steps = ((1, 16), 1, 20) if arguments.quick else ((1, 4, 16, 64, 128), 4, 300)
    print("digits: errors in percent on 797 digits, mean of", seeds, "seeds and its standard error")
    table = digits(ratios, seeds, steps)
    kinds = list(dict.fromkeys(kind for kind, _ in table))
    print("  weights " + "".join(f"{kind:>20s}" for kind in kinds))
    for ratio in ratios:
        cells = "".join("{:13.1f} ± {:4.1f}".format(*table[kind, ratio]) for kind in kinds)
        print(f"  1/{ratio:<6d}{cells}")
    print("words of the language reference: bits a word of held-out text, by weights of the embedding")
    words(ratios[1:2] if arguments.quick else (1, 4, 16, 32), steps)
    figure, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    for kind in kinds:
        means, errors = zip(*(table[kind, ratio] for ratio in ratios), strict=True)
        axes.errorbar([14_800 / ratio for ratio in ratios], means, errors, marker="o", capsize=3, label=kind)
    axes.set(xscale="log", yscale="log", xlabel="weights of the matrices", ylabel="wrong digits, percent")
    axes.set_title("64 - 200 - 10")
    axes.legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "hashing.png", dpi=90)
    print(f"saved {arguments.out / 'hashing.png'}")


if __name__ == "__main__":
    main()
