"""How often the checker finds a broken model, names its culprit, and accuses a correct one.

    python benchmarks/checker_twins.py --seeds 100

Every seed makes every model anew, broken and correct, with other weights, inputs and group
elements. The second table plants a bias of known size on the vectors of a correct model.
"""
# ruff: noqa: D102

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import measuring
import torch
from checker_models.twins import geometry, grids, molecules
from checker_models.twins.twins import Twins
from torch import nn

from equishare.check import EquivarianceReport, equivariance

TWINS: list[Twins] = [*molecules.TWINS, *geometry.TWINS, *grids.TWINS]


def check(twins: Twins, broken: bool, seed: int) -> EquivarianceReport:
    """Check the broken model, or its correct twin."""
    model = twins.make(broken, seed)
    return equivariance(model, twins.inputs(seed), twins.symmetry, seed=seed, **twins.options)


def trial(all_twins: list[Twins], seed: int) -> tuple[int, dict[str, Counter], float]:
    """Check both of every pair, for one seed."""
    started = time.process_time()
    counts: dict[str, Counter] = {}
    for twins in all_twins:
        count = counts[twins.name] = Counter()
        report, twin = check(twins, True, seed), check(twins, False, seed)
        count["found"] += report.verdict == twins.verdict
        count["named"] += report.culprit == twins.culprit(seed)
        count["twins accused"] += not twin.passed
        if report.verdict != twins.verdict or report.culprit != twins.culprit(seed):
            count[f"seed {seed}: {report.verdict} at {report.culprit}"] += 1
        if not twin.passed:
            worst = twin.worst
            count[f"seed {seed}: twin {worst.verdict}, {worst.factor}, {worst.quantity}, {worst.ratio:.1f}"] += 1
    return seed, counts, time.process_time() - started


def named(part: str) -> list[Twins]:
    """Return those whose name contains this."""
    return [twins for twins in TWINS if part in twins.name]


def work(task: tuple[str, int]) -> tuple[int, dict[str, Counter], float]:
    """Run `trial` in a process of its own."""
    torch.set_num_threads(1)
    return trial(named(task[0]), task[1])


def hunt(part: str, seeds: int, jobs: int, save: Callable[[dict[str, Any]], None]) -> None:
    """Run all seeds; what is done is saved after each."""
    counts: dict[str, Counter] = {twins.name: Counter() for twins in named(part)}
    done, seconds = 0, 0.0
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for _, found, spent in pool.imap_unordered(work, [(part, seed) for seed in range(seeds)]):
            done, seconds = done + 1, seconds + spent
            for name, count in found.items():
                counts[name] += count
            total = sum(counts.values(), Counter())
            save(
                {
                    "seeds": done,
                    "broken models": done * len(counts),
                    "twins": done * len(counts),
                    **{key: total[key] for key in ("found", "named", "twins accused")},
                    "CPU seconds": round(seconds),
                    "by mistake": {
                        name: {key: count[key] for key in ("found", "named", "twins accused")}
                        | {key: n for key, n in count.items() if key.startswith("seed")}
                        for name, count in counts.items()
                    },
                }
            )
    print(f"{'mistake':45} {'found':>9} {'named':>9} {'accused':>9}")
    for name, count in counts.items():
        cells = " ".join(f"{count[k]:4d}/{seeds:<4d}" for k in ("found", "named", "twins accused"))
        print(f"{name:45} {cells} {' '.join(key for key in count if key.startswith('seed'))}")
    runs = seeds * len(counts)
    print(
        f"\nfound {total['found']} of {runs}, named {total['named']}, false alarms {total['twins accused']} of {runs}"
    )


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


def sensitivity(seeds: int, save: Callable[[dict[str, Any]], None]) -> None:
    from equishare.check import geometric

    claim = geometric("forces", "atoms: 1o")
    print(f"\n{'error / floor':>14} {'pass':>6} {'undecided':>10} {'fail':>6}")
    table = {}
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
        table[str(multiple)] = {key: verdicts[key] for key in ("pass", "undecided", "fail")}
        save({"verdict by error in noise floors": table})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--results", type=Path, help="JSON file, written again after every seed")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"machine": measuring.machine("torch", "e3nn", "numpy")}

    def save(more: dict[str, Any]) -> None:
        results.update(more)
        if arguments.results is not None:
            measuring.save(arguments.results, results)

    hunt(arguments.only, arguments.seeds, arguments.jobs, save)
    if not arguments.only:
        sensitivity(arguments.seeds, save)


if __name__ == "__main__":
    main()
