"""ALBERT's trick: one transformer block used L times, against L blocks of their own, on real text.

    python examples/shared_depth.py [--quick] [--out FOLDER]

First the published case, BERT-large against ALBERT-large, counted on modules without memory: one block for 24, and embeddings of 128
features for 1,024. Then small nets that read the language reference that comes with Python and tell its next letter; nearer letters
weigh more in their attention (linear biases, Press et al. 2022), so that a minute is enough to learn.
"""

import argparse
import time
from pathlib import Path
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from equishare import nn


def weights(module):
    return sum(p.numel() for p in module.parameters())


def looking_back(length, heads):
    """Biases [heads, length, length] on attention: minus slope times distance, minus infinity for what comes later."""
    distance = torch.arange(length).unsqueeze(1) - torch.arange(length)
    slopes = 2.0 ** -torch.arange(heads)
    return torch.where(distance >= 0, -slopes[:, None, None] * distance, float("-inf"))


class Encoder(torch.nn.Module):
    """Tokens to scores: embeddings (narrow ones are widened), L blocks or one block L times, the same embeddings again."""

    def __init__(self, tokens, width, heads, layers, *, shared, narrow=None, others=0, device=None):
        super().__init__()
        narrow = narrow or width
        self.embedding, self.heads = nn.TiedEmbedding(tokens, narrow, device=device), heads
        self.others = torch.nn.Embedding(others, narrow, device=device) if others else None  # positions and segments
        self.norm = torch.nn.LayerNorm(narrow, device=device)
        self.widen = torch.nn.Linear(narrow, width, device=device) if narrow != width else torch.nn.Identity()
        self.narrow = torch.nn.Linear(width, narrow, device=device)
        size = {"dim_feedforward": 4 * width, "dropout": 0.0, "activation": "gelu", "device": device}
        blocks = [
            torch.nn.TransformerEncoderLayer(width, heads, batch_first=True, norm_first=True, **size)
            for _ in range(1 if shared else layers)
        ]
        self.depth = torch.nn.ModuleList([nn.Iterated(blocks[0], layers)] if shared else blocks)

    def forward(self, tokens):
        """Scores of what follows each token."""
        x = self.widen(self.norm(self.embedding(tokens)))
        bias = looking_back(tokens.shape[1], self.heads).repeat(len(tokens), 1, 1)
        for block in self.depth:
            x = block(x, src_mask=bias)
        return self.embedding.scores(self.narrow(x))


def published():
    """BERT-large and ALBERT-large: 334 and 18 million in the paper, 18 times."""
    sizes = {"tokens": 30_000, "width": 1024, "heads": 16, "layers": 24, "others": 512 + 2, "device": "meta"}
    bert, albert = Encoder(**sizes, shared=False), Encoder(**sizes, shared=True, narrow=128)
    # the paper counts a pooler, width by width, and no projection before the scores
    counts = [weights(net) - weights(net.narrow) + 1024 * 1025 for net in (bert, albert)]
    ratio = counts[0] / counts[1]
    print(
        f"BERT-large {counts[0] / 1e6:.1f} million weights, ALBERT-large {counts[1] / 1e6:.1f}: {ratio:.1f} times fewer"
    )
    print(f"  the 24 blocks alone: {weights(bert.depth) / weights(albert.depth):.0f} times\n")


def bits(net, rows):
    """Bits a letter, for each but the first."""
    return functional.cross_entropy(net(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten()) / 0.693147


def train(net, text, test, steps, window=48, batch=16):
    """The curve of bits a letter of held-out text."""
    rng = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    held_out = test[: len(test) // window * window].reshape(-1, window)
    curve = []
    for step in range(steps):
        loss = bits(net, text[torch.randint(len(text) - window, (batch, 1), generator=rng) + torch.arange(window)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % (steps // 5) == 0:
            with torch.no_grad():
                curve.append((step + 1, float(bits(net, held_out))))
    return curve


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps, two layers")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    published()
    layers, steps, width = (2, 5, 16) if arguments.quick else (4, 400, 64)
    text = "\n".join(topics[name] for name in sorted(topics))
    alphabet = sorted(set(text), key=text.count, reverse=True)[:80]
    number = {c: k for k, c in enumerate(alphabet)}
    tokens = torch.tensor([number.get(c, len(alphabet)) for c in text])
    split = len(tokens) * 9 // 10
    test = tokens[split : split + (1_000 if arguments.quick else 12_000)]

    print(f"{layers} layers of width {width}, {steps} steps: bits a letter of held-out text")
    figure, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    cases = {
        "blocks of their own": (layers, False),
        "one block, as often": (layers, True),
        "one block, once": (1, True),
    }
    for name, (depth, shared) in cases.items():
        torch.manual_seed(0)
        net = Encoder(len(alphabet) + 1, width, 4, depth, shared=shared)
        start = time.process_time()
        curve = train(net, tokens[:split], test, steps)
        axes.plot(*zip(*curve, strict=True), label=name)
        spent = time.process_time() - start
        print(f"  {name:20s} {weights(net.depth):8,} weights in depth  {curve[-1][1]:.3f} bits  ({spent:.0f} s)")
    axes.set(xlabel="step", ylabel="bits a letter, held-out text", title=f"{layers} layers from one")
    axes.legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "shared_depth.png", dpi=90)
    print(f"saved {arguments.out / 'shared_depth.png'}")


if __name__ == "__main__":
    main()
