"""An LSTM whose gates read the input through one matrix, against torch's, on real text, letter by letter.

    python examples/tied_lstm.py [--quick] [--out FOLDER]

The text is the language reference that comes with Python (`pydoc_data`). Three nets predict its next letter: nn.LSTM, the same with
tied input weights, and a tied one made wider until it has as many weights. The last tenth of the text is for testing.
"""

import argparse
import time
from pathlib import Path
from pydoc_data.topics import topics

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from equishare import nn

FEATURES = 96  # of a letter


def letters():
    """The text as numbers, and the size of its alphabet; rare characters are all one."""
    text = "\n".join(topics[name] for name in sorted(topics))
    alphabet = sorted(set(text), key=text.count, reverse=True)[:80]
    number = {c: k for k, c in enumerate(alphabet)}
    return torch.tensor([number.get(c, len(alphabet)) for c in text]), len(alphabet) + 1


class Reader(torch.nn.Module):
    """Letters in, scores of the next letters out."""

    def __init__(self, size, lstm):
        super().__init__()
        self.embedding, self.lstm = torch.nn.Embedding(size, FEATURES), lstm
        self.scores = torch.nn.Linear(lstm.hidden_size, size)

    def forward(self, tokens):
        """Scores of the letter after each."""
        return self.scores(self.lstm(self.embedding(tokens))[0])


def bits(net, text, window=100):
    """Bits per letter on held-out text."""
    rows = text[: len(text) // (window + 1) * (window + 1)].reshape(-1, window + 1)
    with torch.no_grad():
        loss = functional.cross_entropy(net(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
    return float(loss) / torch.log(torch.tensor(2.0)).item()


def train(net, text, test, steps, seed, window=60, batch=24):
    """The curve of test bits per letter, and the processor time of a step in ms."""
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=6e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    curve, spent = [], 0.0
    for step in range(steps):
        begin = time.process_time()
        starts = torch.randint(len(text) - window, (batch, 1), generator=rng)
        rows = text[starts + torch.arange(window + 1)]
        loss = functional.cross_entropy(net(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        spent += time.process_time() - begin
        if (step + 1) % (steps // 5) == 0:
            curve.append((step + 1, bits(net, test)))
    return curve, 1000 * spent / steps


def wider(hidden):
    """The size of a tied LSTM with no more weights than nn.LSTM of the given size."""
    budget = 4 * hidden * (FEATURES + hidden + 2)
    return max(h for h in range(hidden, 2 * hidden) if h * (FEATURES + 4 * h + 4) <= budget)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps, one seed")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    steps, seeds, hidden = (10, 1, 32) if arguments.quick else (400, 2, 96)
    tokens, size = letters()
    split = len(tokens) * 9 // 10
    text, test = tokens[:split], tokens[split : split + (2_000 if arguments.quick else 20_000)]
    nets = {
        "nn.LSTM": (torch.nn.LSTM, hidden),
        "tied input": (nn.TiedInputLSTM, hidden),
        "tied, wider": (nn.TiedInputLSTM, wider(hidden)),
    }
    print(f"{len(tokens):,} letters, {size} different; {steps} steps, {seeds} seeds")
    print(
        f"{'':12s} {'hidden':>6s} {'input weights':>14s} {'recurrent':>10s} {'all':>8s} {'bits a letter':>16s} {'ms a step':>10s}"
    )
    figure, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    for k, (name, (kind, width)) in enumerate(nets.items()):
        last, times = [], []
        for seed in range(seeds):
            torch.manual_seed(seed)
            net = Reader(size, kind(FEATURES, width, batch_first=True))
            curve, spent = train(net, text, test, steps, seed)
            last.append(curve[-1][1])
            times.append(spent)
            axes.plot(*zip(*curve, strict=True), color=f"C{k}", label=name if seed == 0 else None)
        lstm = net.lstm
        mean = sum(last) / seeds
        count = sum(p.numel() for p in lstm.parameters())
        print(
            f"{name:12s} {width:6d} {lstm.weight_ih_l0.numel():14,} {lstm.weight_hh_l0.numel():10,} {count:8,} "
            f"{mean:8.3f} ± {(max(last) - min(last)) / 2:.3f} {min(times):10.1f}"
        )
        if kind is nn.TiedInputLSTM:
            x = torch.randn(3, 20, FEATURES)
            error = float((lstm.to_torch()(x)[0] - lstm(x)[0]).detach().abs().max())
    print(f"frozen to nn.LSTM the tied ones give the same outputs: largest difference {error:.0e}")
    axes.set(xlabel="step", ylabel="bits a letter, held-out text", title="one input matrix for four gates")
    axes.legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "tied_lstm.png", dpi=90)
    print(f"saved {arguments.out / 'tied_lstm.png'}")


if __name__ == "__main__":
    main()
