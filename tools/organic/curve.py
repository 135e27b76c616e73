"""What the amount and the spread of the frames are worth: weights trained alike, each on a part of them.

``python tools/organic/curve.py FOLDER --data DATA/acac`` trains from noise on each part for as many steps, and judges the weights by frames of molecules
never seen, and by a fit of them to 25 DFT frames of acetylacetone. Rows go to ``FOLDER/curve.json``; one that is there is left alone, so it can be stopped
and started again. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from train import CONFIG, OPTIONS, Pool, kept_out, reference_energies

from equishare.atoms import Frame
from equishare.clock import Clock
from equishare.files import write_text
from equishare.potential import ModelConfig, Potential, save
from equishare.potential.config import PRESETS, PresetName
from equishare.training.budget import Budget
from equishare.training.data.statistics import statistics
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.objective import Objective
from equishare.training.state import TrainingState

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from organic import Task, measure


@dataclass(frozen=True)
class Part:
    """Frames to train on.

    Attributes:
        frames: How many at most.
        only: The kinds that they may be of; none: all.
        few_molecules: Take all frames of some molecules, not some frames of all.
        preset: Size of the network.
    """

    frames: int
    only: tuple[str, ...] = ()
    few_molecules: bool = False
    preset: PresetName = "default"

    @property
    def name(self) -> str:
        """What a row is called."""
        kinds = " and ".join(self.only) or "all kinds"
        few = ", of few molecules" if self.few_molecules else ""
        return f"{self.frames}, {kinds}{few}, {self.preset} network"

    @property
    def network(self) -> ModelConfig:
        """What is trained."""
        return CONFIG.model_copy(update=dict(PRESETS[self.preset]))

    def of(self, frames: list[Frame]) -> list[int]:
        """Indices of its frames."""
        allowed = [k for k, frame in enumerate(frames) if not self.only or frame.config_type in self.only]
        rng = np.random.default_rng(5)
        if not self.few_molecules:
            return [allowed[k] for k in rng.permutation(len(allowed))[: self.frames]]
        # a file holds all frames of 40 molecules
        files: dict[str, list[int]] = {}
        for k in allowed:
            files.setdefault(str(frames[k].file), []).append(k)
        names = sorted(files)
        return [k for at in rng.permutation(len(names)) for k in files[names[at]]][: self.frames]


PARTS = (
    Part(4_000),
    Part(16_000),
    Part(16_000, few_molecules=True),
    Part(16_000, only=("qm9",)),
    Part(64_000),
    Part(64_000, preset="accurate"),
)


def trained(pool: Pool, part: Part, steps: int) -> Potential:
    """The average of the weights after so many steps from noise."""
    torch.manual_seed(0)
    chosen = part.of(pool.frames)
    some = Pool(pool.folder, seed=0)
    some.frames, some.graphs = [pool.frames[k] for k in chosen], [pool.graphs[k] for k in chosen]
    potential = Potential(part.network, statistics(some.frames, some.graphs, reference_energies()))
    state = TrainingState(potential, OPTIONS, Budget(epochs=1, steps_per_epoch=steps), Clock())
    objective = Objective(potential, OPTIONS, [f.name for f in some.frames], {"forces": True, "stress": False})
    potential.train()
    batches = some.batches()
    while not state.over:
        state.take_step(objective, next(batches))
    return state.averaged.potential


def judged(potential: Potential, test: list[Frame], data: Path) -> dict[str, float]:
    """Errors in meV and meV/Å: zero-shot, and after a fit to 25 DFT frames of a molecule that was kept out."""
    errors = evaluate(potential, test).errors
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        save(potential, file, {"method": "GFN2-xTB"})
        fits = [measure(str(file), Task(data, 25, 1500, seed, 5, [])) for seed in (0, 1, 2)]
    return {
        "unseen_energy_mae": 1000 * errors["energy"].mae,
        "unseen_forces_rmse": 1000 * errors["forces"].rmse,
        "fit_energy_rmse": float(np.mean([fit["energy"] for fit in fits])),
        "fit_forces_rmse": float(np.mean([fit["forces"] for fit in fits])),
    }


def table(rows: dict[str, Any]) -> None:
    """Print what there is."""
    print(
        "| frames | CPU s | energy MAE, meV | forces RMSE, meV/Å | 25 DFT frames: energy RMSE, meV | forces RMSE, meV/Å |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        numbers = [
            row[k] for k in ("cpu", "unseen_energy_mae", "unseen_forces_rmse", "fit_energy_rmse", "fit_forces_rmse")
        ]
        print(f"| {name} | " + " | ".join(f"{number:.3g}" for number in numbers) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of acetylacetone")
    parser.add_argument("--steps", type=int, default=12_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    out = given.folder / "curve.json"
    rows: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    missing = [part for part in PARTS if part.name not in rows]
    if missing:
        pool = Pool(given.folder / "frames", seed=0)
        pool.look()
        test = kept_out(given.folder / "frames", "test")
        for part in missing:
            begun = time.process_time()
            potential = trained(pool, part, given.steps)
            row = {**asdict(part), "steps": given.steps, "cpu": time.process_time() - begun}
            rows[part.name] = row | judged(potential, test, given.data)
            write_text(out, json.dumps(rows, indent=1))
            print(f"{part.name}: {rows[part.name]}", flush=True)
    table(rows)


if __name__ == "__main__":
    main()
