"""Fits to a few DFT frames from the organic weights, and from noise: errors after so many steps.

    python benchmarks/organic.py --data DATA/acac [--frames 25 50] [--steps 1500] [--starts organic none] [--seeds 0 1 2]

Steps of five frames. The training frames are drawn from `train_300K.xyz`, a tenth as many choose the best weights; `test_MD_300K.xyz` (every fifth
frame, or --every 1) judges them and chooses nothing. CPU seconds are of the whole run, reading and judging included, beside whatever else the machine does; a step
of 75 atoms takes 16 ms of a quiet core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import equishare
from equishare.atoms import read_frames

BATCH = 5


def measure(data: Path, start: str, count: int, steps: int, seed: int, every: int) -> dict[str, float]:
    frames = read_frames([str(data / "train_300K.xyz")])
    order = np.random.default_rng(100 + seed).permutation(len(frames))
    held = max(5, count // 10)
    train = [frames[k] for k in order[:count]]
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = equishare.train(
            [*train, *read_frames([str(data / "isolated_atoms.xyz")])],
            valid=[frames[k] for k in order[count : count + held]],
            test=read_frames([str(data / f"test_MD_300K.xyz@::{every}")]),
            out=f"{folder}/run",
            seed=seed,
            batch_size=BATCH,
            epochs=max(1, round(steps * BATCH / count)),
            pretraining={"weights": start},
            report=False,
        )
    errors = run.evaluations["test"].errors
    return {
        "energy": 1000 * errors["energy"].rmse,
        "forces": 1000 * errors["forces"].rmse,
        "cpu": time.process_time() - begun,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--frames", type=int, nargs="+", default=[25, 50])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--starts", nargs="+", default=["organic", "none"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--every", type=int, default=5, help="test frames")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| frames | steps | start | seed | E RMSE, meV | F RMSE, meV/Å | CPU s |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for count in given.frames:
        for start in given.starts:
            for seed in given.seeds:
                row = measure(given.data, start, count, given.steps, seed, given.every)
                cells = f"{row['energy']:.2f} | {row['forces']:.1f} | {row['cpu']:.0f}"
                print(f"| {count} | {given.steps} | {start} | {seed} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
