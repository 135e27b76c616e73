"""Train the organic weights on the labelled frames, while more of them may still be made.

``python tools/organic/train.py FOLDER --hours 1.5`` trains for that long and writes ``FOLDER/organic.safetensors`` whenever the averaged weights are the best
on the validation frames so far: it may be killed at any time. The same command goes on from ``FOLDER/checkpoint.pt``, with a longer time if one is given.
Every few minutes it reads the files of frames that are new.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import units
from ase.data import atomic_numbers
from tblite.interface import Calculator

from equishare.atoms import Frame, read_frames
from equishare.clock import Clock
from equishare.files import replacing
from equishare.potential import AtomGraph, ModelConfig, Potential, collate, save
from equishare.potential.domain import Domain
from equishare.training.budget import Budget
from equishare.training.config import OptimisationConfig
from equishare.training.data.labelled_graphs import labelled_graphs
from equishare.training.data.statistics import statistics
from equishare.training.evaluation.evaluate import evaluate_graphs
from equishare.training.loss import evaluation_loss
from equishare.training.objective import Objective
from equishare.training.state import TrainingState

CONFIG = ModelConfig(conditions=("charge",))
BATCH_ATOMS = 120
OPTIONS = OptimisationConfig(ema_decay=0.998)
LOOK = 240.0
"""Seconds between two validations, and two looks for new frames."""
VALID = 300
"""Validation frames that choose the best weights."""
UNPAIRED = {"H": 1, "C": 2, "N": 3, "O": 2, "F": 1, "P": 3, "S": 2, "Cl": 1, "Br": 1}


def reference_energies() -> dict[str, float]:
    """Energies in eV of isolated atoms by GFN2-xTB."""
    found = {}
    for symbol, unpaired in UNPAIRED.items():
        calculator = Calculator("GFN2-xTB", np.array([atomic_numbers[symbol]]), np.zeros((1, 3)), uhf=unpaired)
        calculator.set("verbosity", 0)
        found[symbol] = units.Hartree * float(calculator.singlepoint().get("energy"))
    return found


class Pool:
    """The training frames that are there, and batches of them: each frame once before any comes again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng = folder, np.random.default_rng(seed)
        self.read: set[str] = set()
        self.frames: list[Frame] = []
        self.graphs: list[AtomGraph] = []
        self.waiting: list[int] = []

    def look(self) -> int:
        """Read the files that are new; how many frames they hold."""
        before = len(self.frames)
        for file in sorted(self.folder.glob("train-*.xyz")):
            if file.name not in self.read and file.stat().st_size:
                self.read.add(file.name)
                frames = [frame for frame in read_frames([str(file)]) if len(frame.atoms) > 1]
                self.frames += frames
                self.graphs += labelled_graphs(frames, CONFIG)
        new = list(range(before, len(self.frames)))
        self.waiting = self.rng.permutation([*self.waiting, *new]).tolist()
        return len(new)

    def batches(self) -> Iterator[AtomGraph]:
        """Batches of about as many atoms each, for ever."""
        while True:
            chosen: list[int] = []
            atoms = 0
            while atoms < BATCH_ATOMS:
                if not self.waiting:
                    self.waiting = self.rng.permutation(len(self.graphs)).tolist()
                index = int(self.waiting.pop())
                size = len(self.graphs[index].numbers)
                if chosen and atoms + size > 1.2 * BATCH_ATOMS:
                    self.waiting.insert(0, index)
                    break
                chosen.append(index)
                atoms += size
            batch = collate([self.graphs[index] for index in chosen])
            batch.frame = torch.tensor(chosen)
            yield batch


def kept_out(folder: Path, part: str) -> list[Frame]:
    """Frames of every kind of the part ``valid`` or ``test``: of molecules that no training frame holds."""
    return [f for f in read_frames(sorted(map(str, folder.glob(f"{part}-*.xyz")))) if len(f.atoms) > 1]


def validation(folder: Path) -> tuple[list[Frame], list[AtomGraph]]:
    """Some frames that choose the weights."""
    frames = kept_out(folder, "valid")
    chosen = [frames[k] for k in np.random.default_rng(0).permutation(len(frames))[:VALID]]
    return chosen, labelled_graphs(chosen, CONFIG)


def about(pool: Pool, state: TrainingState, errors: dict[str, Any]) -> dict[str, object]:
    """What the header of the model file says."""
    e0 = state.potential.statistics.reference_energies
    frames = pool.frames[:: max(1, len(pool.frames) // 20_000)]
    energies = [f.energy - sum(e0[s] for s in f.atoms.symbols) for f in frames if f.energy is not None]
    return {
        "method": "GFN2-xTB",
        "licence": "MIT",
        "files": ["tools/organic"],
        "frames": len(pool.frames),
        "kinds": dict(Counter(frame.config_type for frame in pool.frames)),
        "errors": {"valid": errors},
        "domain": Domain.of([f.atoms for f in frames], [f.forces for f in frames], energies).model_dump(),
        "steps": state.step,
        "seconds": round(state.seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, default=1.5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    checkpoint, clock = given.folder / "checkpoint.pt", Clock()
    stored = torch.load(checkpoint, weights_only=False) if checkpoint.exists() else None
    pool = Pool(given.folder / "frames", seed=0 if stored is None else stored["training"]["step"])
    pool.look()
    valid, valid_graphs = validation(given.folder / "frames")
    found = stored["statistics"] if stored else statistics(pool.frames, pool.graphs, reference_energies())
    potential = Potential(CONFIG, found)
    state = TrainingState(potential, OPTIONS, Budget(max_time=3600 * given.hours), clock)
    best = np.inf
    if stored is not None:
        state.load_state_dict(stored["training"])
        best = stored["best"]
    names = [frame.name for frame in pool.frames]
    objective = Objective(potential, OPTIONS, names, {"forces": True, "stress": False})
    potential.train()
    batches, looked = pool.batches(), time.monotonic()
    print(f"{len(pool.frames)} frames, {found.model_dump()}", flush=True)
    while not state.over:
        state.take_step(objective, next(batches))
        if time.monotonic() - looked < LOOK and not state.over:
            continue
        evaluation = evaluate_graphs(state.averaged.potential, valid_graphs, valid)
        loss = evaluation_loss(evaluation, OPTIONS, found.scale)
        errors = evaluation.metrics()
        if loss < best:
            best = loss
            save(state.averaged.potential, given.folder / "organic.safetensors", about(pool, state, errors))
        with replacing(checkpoint) as beside:
            torch.save({"training": state.state_dict(), "statistics": found, "best": best}, beside)
        row: dict[str, Any] = {
            "step": state.step,
            "seconds": round(state.seconds),
            "cpu": round(time.process_time()),
            "frames": len(pool.frames),
        }
        row |= {"rate": state.learning_rate, "train_loss": state.take_mean_loss(), "valid_loss": loss, **errors}
        with open(given.folder / "training.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")
        pool.look()
        names[:] = [frame.name for frame in pool.frames]
        looked = time.monotonic()


if __name__ == "__main__":
    main()
