"""Choices of the potential, one at a time: validation errors after the same epochs on the same frames, a few seeds each.

    python benchmarks/ablation.py DATA_FOLDER [--seeds 2] [--only NAME ...]

DATA_FOLDER is that of acetylacetone (BOTNet-datasets), with `train_300K.xyz` and `isolated_atoms.xyz`. A fifth of its 500 training
frames trains and the rest validates, so that differences are those of what was learnt and not of chance; the test frames are
not touched. The budget counts epochs, 3,500 steps with the defaults: a busy machine changes the times and nothing else. Prints a
table in Markdown and writes it, with machine, date and versions, to `benchmarks/results/ablation.json`; variants that were not
run keep their last result.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from measuring import machine, read, write

from equishare.potential import AtomGraph
from equishare.training.config.config_file import merge, validate
from equishare.training.fit import fit
from equishare.training.objective import Objective
from equishare.training.soap import SOAP
from equishare.training.state import TrainingState


def adamw(state: TrainingState) -> torch.optim.Optimizer:
    return torch.optim.AdamW(state.potential.parameters(), amsgrad=True, weight_decay=0.0)


def soap(state: TrainingState) -> torch.optim.Optimizer:
    return SOAP(state.potential.parameters())


Step = Callable[[TrainingState, Objective, AtomGraph], None]
TAKE_STEP: Step = TrainingState.take_step


def phases(first: float, last: float, share: float) -> Step:
    """A step with one weight of the energy, and another in the last share of the budget."""

    def step(state: TrainingState, objective: Objective, batch: AtomGraph) -> None:
        weight = last if state.fraction > 1 - share else first
        weights = {**objective.weights.weights, "energy": weight}
        objective.weights = objective.weights.model_copy(update={"weights": weights})
        TAKE_STEP(state, objective, batch)

    return step


def decayed(strength: float) -> Step:
    """A step, and weights that shrink by the rate times a strength (Loshchilov and Hutter 2019)."""

    def step(state: TrainingState, objective: Objective, batch: AtomGraph) -> None:
        rate = state.learning_rate
        TAKE_STEP(state, objective, batch)
        with torch.no_grad():
            for weight in state.potential.parameters():
                weight.mul_(1 - rate * strength)

    return step


EPOCHS = 175
STEPS = {
    "weight decay 0.01": decayed(0.01),
    "weight decay 0.1": decayed(0.1),
    "energy weight 0.03, then 1 in the last third": phases(0.03, 1.0, 1 / 3),
    "energy weight 0.1, then 10 in the last fifth": phases(0.1, 10.0, 0.2),
}

# name: (what differs from the defaults, optimiser)
VARIANTS = {
    "default": ({}, soap),
    "AdamW (amsgrad), rate 0.005": ({"optimisation": {"learning_rate": 0.005}}, adamw),
    "AdamW (amsgrad), rate 0.015": ({"optimisation": {"learning_rate": 0.015}}, adamw),
    "rate 0.01": ({"optimisation": {"learning_rate": 0.01}}, soap),
    "rate 0.04": ({"optimisation": {"learning_rate": 0.04}}, soap),
    "three times the epochs": ({"budget": {"epochs": 3 * EPOCHS}}, soap),
    "three times the epochs, rate 0.005": (
        {"optimisation": {"learning_rate": 0.005}, "budget": {"epochs": 3 * EPOCHS}},
        soap,
    ),
    "three times the epochs, rate 0.04": (
        {"optimisation": {"learning_rate": 0.04}, "budget": {"epochs": 3 * EPOCHS}},
        soap,
    ),
    "2 frames a step": ({"optimisation": {"batch_size": 2}}, soap),
    "10 frames a step": ({"optimisation": {"batch_size": 10}}, soap),
    "energy weight 0.03": ({"optimisation": {"weights": {"energy": 0.03}}}, soap),
    "energy weight 0.1": ({"optimisation": {"weights": {"energy": 0.1}}}, soap),
    "energy weight 0.3": ({"optimisation": {"weights": {"energy": 0.3}}}, soap),
    "energy weight 10": ({"optimisation": {"weights": {"energy": 10.0}}}, soap),
    **{name: ({}, soap) for name in STEPS},
    "32 channels": ({"model": {"channels": 32}}, soap),
    "96 channels": ({"model": {"channels": 96}}, soap),
    "1 layer": ({"model": {"layers": 1}}, soap),
    "3 layers": ({"model": {"layers": 3}}, soap),
    "density up to l = 2": ({"model": {"l_density": 2}}, soap),
    "features up to l = 1": ({"model": {"l_features": 1}}, soap),
    "body order 3": ({"model": {"body_order": 3}}, soap),
    "body order 5": ({"model": {"body_order": 5}}, soap),
    "6 radial functions": ({"model": {"n_basis": 6}}, soap),
    "12 radial functions": ({"model": {"n_basis": 12}}, soap),
    "cutoff 4 Å": ({"model": {"cutoff": 4.0}}, soap),
}


def measure(name: str, files: list[str], seed: int) -> dict[str, float]:
    changes, optimiser = VARIANTS[name]
    common = {
        "data": {"train": files, "valid": 0.8, "test": 0.0},
        "pretraining": {"weights": "none"},
        "budget": {"epochs": EPOCHS},
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(TrainingState, "make_optimiser", optimiser),
        mock.patch.object(TrainingState, "take_step", STEPS.get(name, TAKE_STEP)),
    ):
        settings = merge(merge(common, {"run": {"out": f"{folder}/run", "seed": seed}}), changes)
        run = fit(validate(settings, name))
    if run.interrupted is not None:
        raise SystemExit(128 + run.interrupted)
    errors = run.evaluations["valid"]
    return {
        "energy_rmse_meV": round(1000 * errors.rmse("energy"), 2),
        "forces_rmse_meV_A": round(1000 * errors.rmse("forces"), 2),
        "train_forces_rmse_meV_A": round(1000 * run.evaluations["train"].rmse("forces"), 2),
        "step_ms": round(run.step_milliseconds, 1),
    }


def line(name: str, runs: list[dict[str, float]]) -> str:
    def mean(key: str) -> float:
        return float(np.mean([run[key] for run in runs]))

    forces = ", ".join(f"{run['forces_rmse_meV_A']:.1f}" for run in runs)
    return (
        f"| {name} | {mean('energy_rmse_meV'):.2f} | **{mean('forces_rmse_meV_A'):.1f}** ({forces}) | "
        f"{mean('train_forces_rmse_meV_A'):.1f} | {mean('step_ms'):.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    files = [str(arguments.data / name) for name in ("train_300K.xyz", "isolated_atoms.xyz")]
    print("| variant | E RMSE, meV | F RMSE, meV/Å (each seed) | on training frames | ms a step |")
    print("| --- | --- | --- | --- | --- |")
    for name in arguments.only:
        runs = [measure(name, files, seed) for seed in range(arguments.seeds)]
        print(line(name, runs), flush=True)
        row = {"machine": machine("equishare", "torch", "numba"), "runs": runs}
        write("ablation", read("ablation") | {name: row})


if __name__ == "__main__":
    main()
