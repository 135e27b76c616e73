"""Fits to a few DFT frames from the organic weights, from noise, and with GFN2-xTB's help: errors after so many steps.

    python benchmarks/organic.py --data DATA/acac [--frames 25 50] [--steps 1500] [--starts organic none] [--seeds 0 1 2]

Steps of five frames. The training frames are drawn from `train_300K.xyz`, a tenth as many choose the best weights; `test_MD_300K.xyz` (every fifth
frame, or --every 1) judges them and chooses nothing. CPU seconds are of the whole run, reading and judging included, beside whatever else the machine does; a step
of 75 atoms takes 16 ms of a quiet core.

Starts: `organic`, the weights of the package; `none`, noise; `base`, noise, but what is learnt is the difference to GFN2-xTB (`--base xtb`);
`pretrain`, `--pretrain xtb`, whose three fits share the steps, and whose 1,500 frames of xTB are drawn in a process of its own, not counted here; with
--drawn so many frames of xTB dynamics of the same molecule, `after` fits those in 40 % of the steps and then the DFT frames (`--pretrain`), and
`together` fits both at once (`--condition method`), where a DFT frame weighs as much as all xTB frames of its share.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms

import equishare
from equishare.atoms import Frame, read_frames
from equishare.training.config import PretrainingConfig
from equishare.training.pretraining.sampling import sample

BATCH = 5
SHARE = 0.4


@dataclass
class Task:
    """A number of frames, steps and so on."""

    data: Path
    count: int
    steps: int
    seed: int
    every: int
    drawn: list[Atoms]


def of_method(frames: list[Frame], name: str, weight: float = 1.0) -> list[Frame]:
    """Frames that say which method labelled them."""
    return [
        Frame(f.atoms, f.labels, {"method": name}, weight=weight, file=f.file, index=f.index, keys=f.keys)
        for f in frames
    ]


def settings(start: str, task: Task, folder: str) -> dict[str, Any]:
    """What to train with."""
    rounds = task.steps * BATCH
    if start == "base":
        return {"base": "xtb", "pretraining": {"weights": "none"}, "epochs": max(1, round(rounds / task.count))}
    if start == "pretrain":
        options = PretrainingConfig(source="xtb", frames=1500)
        epochs = max(1, round((1 - options.part(task.count)) * rounds / task.count))
        return {"pretraining": options.model_dump(), "epochs": epochs}
    if start == "together":
        epochs = max(1, round(rounds / (task.count + len(task.drawn))))
        return {"conditions": ["method"], "pretraining": {"weights": "none"}, "epochs": epochs}
    if start == "after":
        ase.io.write(f"{folder}/xtb.xyz", task.drawn)
        first = {"source": f"{folder}/xtb.xyz", "share": SHARE, "frames": len(task.drawn)}
        return {"pretraining": first, "epochs": max(1, round((1 - SHARE) * rounds / task.count))}
    return {"pretraining": {"weights": start}, "epochs": max(1, round(rounds / task.count))}


def measure(start: str, task: Task) -> dict[str, float]:
    """Errors on the test frames."""
    frames = read_frames([str(task.data / "train_300K.xyz")])
    order = np.random.default_rng(100 + task.seed).permutation(len(frames))
    held = max(5, task.count // 10)
    train = [frames[k] for k in order[: task.count]]
    valid = [frames[k] for k in order[task.count : task.count + held]]
    test = read_frames([str(task.data / f"test_MD_300K.xyz@::{task.every}")])
    atoms = read_frames([str(task.data / "isolated_atoms.xyz")])
    if start == "together":
        cheap = [Frame(a, energy=a.get_potential_energy(), forces=a.get_forces()) for a in task.drawn]
        train = of_method(cheap, "xtb") + of_method(train, "pbe", weight=len(cheap) / task.count)
        valid, test, atoms = (of_method(part, "pbe") for part in (valid, test, atoms))
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = equishare.train(
            [*train, *atoms],
            valid=valid,
            test=test,
            out=f"{folder}/run",
            seed=task.seed,
            batch_size=BATCH,
            report=False,
            **settings(start, task, folder),
        )
    if run.interrupted is not None:
        raise SystemExit(128 + run.interrupted)
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
    parser.add_argument("--drawn", type=int, default=0, help="xTB frames of the same molecule, for after and together")
    given = parser.parse_args()
    torch.set_num_threads(1)
    drawn: list[Atoms] = []
    if given.drawn:
        begin = read_frames([str(given.data / "train_300K.xyz@:25")])
        drawn = sample([frame.atoms for frame in begin], given.drawn, [300.0, 600.0])
    print(
        "| frames | steps | start | seed | E RMSE, meV | F RMSE, meV/Å | CPU s |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for count in given.frames:
        for start in given.starts:
            for seed in given.seeds:
                row = measure(start, Task(given.data, count, given.steps, seed, given.every, drawn))
                cells = f"{row['energy']:.2f} | {row['forces']:.1f} | {row['cpu']:.0f}"
                print(f"| {count} | {given.steps} | {start} | {seed} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
