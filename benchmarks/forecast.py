"""How well the first part of a run tells where it ends: the constants of `equishare.training.forecast`, from runs that are over.

    python benchmarks/forecast.py RUN...

RUN: folders of `equishare train`, of any data. For each fraction of the budget the power is fitted by least squares of logarithms, and each run is then judged
by the power that the others give. Runs with fewer than a dozen validations are left out, and those that did not come to their end.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from equishare.training.forecast import FEWEST, MARKS
from equishare.training.run_folder import RunFolder

FORCES = "valid_forces_rmse"


def curve(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """(fraction of the steps, lowest force error so far) of a run, the last one that of the weights it kept; None: it does not count."""
    rows = list(RunFolder(path).read_metrics())
    if len(rows) < FEWEST or rows[-1].get(FORCES) is None:
        return None
    rates = [row["learning_rate"] for row in rows]
    if rates[-1] > 0.03 * max(rates):
        return None
    fraction = np.array([row["step"] / rows[-1]["step"] for row in rows])
    errors = np.minimum.accumulate([row[FORCES] for row in rows])
    errors[-1] = min(rows, key=lambda row: row["valid_loss"])[FORCES]
    return fraction, errors


def at(found: tuple[np.ndarray, np.ndarray], fraction: float) -> float:
    """The lowest error up to a fraction; NaN before the first validation."""
    count = int(np.searchsorted(found[0], fraction, side="right"))
    return float(found[1][count - 1]) if count else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    curves = [found for path in parser.parse_args().runs if (found := curve(path)) is not None]
    print("| fraction | runs | power | end / forecast, 10 to 90 % of the runs |\n| --- | --- | --- | --- |")
    for mark in MARKS:
        values = np.array([[at(c, mark.fraction / 2), at(c, mark.fraction), c[1][-1]] for c in curves])
        early, now, end = np.log(values[~np.isnan(values).any(axis=1)]).T
        fell, left = now - early, end - now
        powers = [(fell @ left - f * g) / (fell @ fell - f * f) for f, g in zip(fell, left, strict=True)]
        low, high = np.exp(np.quantile(left - powers * fell, [0.1, 0.9]))
        print(f"| {mark.fraction:g} | {len(end)} | {fell @ left / (fell @ fell):.2f} | {low:.2f} to {high:.2f} |")


if __name__ == "__main__":
    main()
