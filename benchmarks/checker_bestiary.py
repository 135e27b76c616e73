"""How often the checker finds a broken model, names its culprit, and accuses a correct one.

    python benchmarks/checker_bestiary.py --seeds 100

Every seed makes every model of the bestiary anew, broken and correct, with other weights, inputs and group
elements. The second table plants a bias of known size on the vectors of a correct model.
"""
# ruff: noqa: D102

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from bestiary import geometry, grids, molecules
from bestiary.beast import Beast
from torch import nn

from equishare.check import EquivarianceReport, equivariance

BEASTS: list[Beast] = [*molecules.BEASTS, *geometry.BEASTS, *grids.BEASTS]


def check(beast: Beast, broken: bool, seed: int) -> EquivarianceReport:
    """Check one beast, or its twin."""
    model = beast.make(broken, seed)
    return equivariance(model, beast.inputs(seed), beast.symmetry, seed=seed, **beast.options)


def hunt(beasts: list[Beast], seeds: int) -> None:
    total = Counter()
    print(f"{'mistake':45} {'found':>9} {'named':>9} {'accused':>9}   seconds")
    for beast in beasts:
        started, count, wrong = time.perf_counter(), Counter(), Counter()
        for seed in range(seeds):
            report, twin = check(beast, True, seed), check(beast, False, seed)
            count["found"] += report.verdict == beast.verdict
            count["named"] += report.culprit == beast.culprit(seed)
            count["accused"] += not twin.passed
            if report.culprit != beast.culprit(seed):
                wrong[f"{report.verdict} at {report.culprit}"] += 1
            if not twin.passed:
                wrong[f"twin: {twin.worst.factor}, {twin.worst.quantity}, ratio {twin.worst.ratio:.1f}"] += 1
        total += count
        cells = " ".join(f"{count[k]:4d}/{seeds:<4d}" for k in ("found", "named", "accused"))
        print(
            f"{beast.name:45} {cells} {(time.perf_counter() - started) / seeds:9.2f}  {dict(wrong) or ''}",
            flush=True,
        )
    runs = seeds * len(beasts)
    found, named, accused = total["found"], total["named"], total["accused"]
    print(f"\nfound {found} of {runs}, named {named}, false alarms {accused} of {runs}")


class Slip(nn.Module):
    """A correct model whose vectors carry a bias of a given size."""

    def __init__(self, seed: int, size: float) -> None:
        super().__init__()
        self.size = size
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.weight = nn.Parameter(torch.randn(9, 9))

    def forward(self, pos: torch.Tensor) -> torch.Tensor:
        v = self.weight @ (pos - pos.mean(0))
        return v + self.size * v.detach().square().mean().sqrt() * torch.ones(3, dtype=v.dtype)


def sensitivity(seeds: int) -> None:
    from equishare.check import geometric

    claim = geometric("forces", "atoms: 1o")
    print(f"\n{'error / floor':>14} {'pass':>6} {'undecided':>10} {'fail':>6}")
    for multiple in (0, 1, 3, 10, 15, 30, 100):
        verdicts = Counter()
        for seed in range(seeds):
            inputs = molecules.molecule_inputs(seed)[1:2]
            floor = equivariance(Slip(seed, 0.0), inputs, claim, seed=seed, localise=False).noise_floor
            # a bias b makes a relative error of up to 2 b
            report = equivariance(Slip(seed, multiple * floor / 2), inputs, claim, seed=seed, localise=False)
            verdicts[str(report.verdict)] += 1
        print(
            f"{multiple:14d} {verdicts['pass']:6d} {verdicts['undecided']:10d} {verdicts['fail']:6d}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--only", default="", help="beasts whose name contains this")
    arguments = parser.parse_args()
    hunt([b for b in BEASTS if arguments.only in b.name], arguments.seeds)
    if not arguments.only:
        sensitivity(arguments.seeds)


if __name__ == "__main__":
    main()
