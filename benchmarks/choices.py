"""Choices of the fit, one at a time, on several kinds of matter: validation errors after the same epochs on the same frames.

    python benchmarks/choices.py --data DATA [--sets molybdenum lithium ...] [--only NAME ...] [--seeds 1]

DATA as for `accuracy.py`. Short runs of parts of the training frames, in epochs: a busy machine changes the times and nothing else. The test frames are not
touched. Rows go into `benchmarks/results/accuracy_choices.json`, one a set, change and seed, and rows that are there are not run again; `docs/measurements/accuracy.md` shows them
beside the rows that differ in that one thing.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from ablation import phases
from measuring import machine, read, write
from torch import Tensor

from equishare.training import budget, loss, objective, state
from equishare.training.config.config_file import merge, validate
from equishare.training.evaluation.evaluate import Evaluation
from equishare.training.fit import fit

# files below DATA, fraction that validates, epochs
SETS: dict[str, tuple[list[str], float, int]] = {
    "molybdenum": (["mlearn_mo/train.xyz"], 0.2, 12),
    "lithium": (["mlearn_li/train.xyz"], 0.2, 8),
    "acac": (["acac/train_300K.xyz@:300", "acac/isolated_atoms.xyz"], 0.5, 40),
    "ethanol": (["rmd17/ethanol_train.xyz@:500"], 0.4, 8),
    "water": (["water/train.xyz@:100"], 0.25, 4),
}
Patch = Callable[[], AbstractContextManager[Any]]


def rate_of_five() -> AbstractContextManager[Any]:
    """The learning rate of steps of five frames, whatever they hold."""
    return mock.patch.object(state, "default_learning_rate", lambda steps, frames: budget.default_learning_rate(steps))


def absolute() -> AbstractContextManager[Any]:
    """Errors themselves in place of their squares: of an energy, and the length of a vector; smooth at zero."""
    small = 0.01

    def total(pairs: Iterator[Any], structures: Any, options: Any, scale: float) -> Tensor:
        whole = structures.size.new_zeros(())
        for row, predicted, label in pairs:
            unit = (structures.size if row.extensive else 1.0) * (scale if row.energy_unit else 1.0)
            if isinstance(unit, Tensor):
                unit = loss._spread(unit, structures.atom_batch if row.per_atom else None, label.ndim)
            square = ((predicted - label) / unit).square()
            square = square.flatten(1).mean(1) if square.ndim > 1 else square
            whole = whole + options.weight(row.name) * ((square + small**2).sqrt() - small).mean()
        return whole

    def batch_loss(*arguments: Any) -> Tensor:
        with mock.patch.object(loss, "_total", total):
            return loss.batch_loss(*arguments)

    return mock.patch.object(objective, "batch_loss", batch_loss)


def last_for_energies() -> AbstractContextManager[Any]:
    """A weight of the energies of 30 in the last 30 % of the budget."""
    return mock.patch.object(state.TrainingState, "take_step", phases(1.0, 30.0, 0.3))


def energies_count_at_the_end() -> AbstractContextManager[Any]:
    """A weight of the energies of 0.1, and of 1 in the last 30 % of the budget."""
    return mock.patch.object(state.TrainingState, "take_step", phases(0.1, 1.0, 0.3))


def fitted(energy: float = 1.0, **options: Any) -> dict[str, Any]:
    """Options of the fit with a weight of the energies."""
    return {"optimisation": {"weights": {"energy": energy}, **options}}


AT_RATE_OF_FIVE = (rate_of_five,)
WEIGHT_1 = fitted()
# name: (what it is compared with, settings, patches)
VARIANTS: dict[str, tuple[str | None, dict[str, Any], tuple[Patch, ...]]] = {
    "default": (None, {}, ()),
    "energy weight 1": ("default", WEIGHT_1, ()),
    "energy weight 0.3": ("energy weight 1", fitted(0.3), ()),
    "energy weight 0.1": ("energy weight 1", fitted(0.1), ()),
    "energy weight 0.02": ("energy weight 1", fitted(0.02), ()),
    "energy weight 0.1, 1 in the last 30 %": ("energy weight 1", {}, (energies_count_at_the_end,)),
    "energy weight 1, 12 radial functions": ("energy weight 1", {**WEIGHT_1, "model": {"n_basis": 12}}, ()),
    "the rate of five frames a step": ("energy weight 1", WEIGHT_1, AT_RATE_OF_FIVE),
    "rate of five frames: rate 0.01": ("the rate of five frames a step", fitted(learning_rate=0.01), AT_RATE_OF_FIVE),
    "rate of five frames: rate 0.018": ("the rate of five frames a step", fitted(learning_rate=0.018), AT_RATE_OF_FIVE),
    "rate of five frames: rate 0.02": ("the rate of five frames a step", fitted(learning_rate=0.02), AT_RATE_OF_FIVE),
    "rate of five frames: rate 0.01, 12 radial functions": (
        "rate of five frames: rate 0.01",
        {**fitted(learning_rate=0.01), "model": {"n_basis": 12}},
        AT_RATE_OF_FIVE,
    ),
    "rate of five frames: 6 radial functions": (
        "the rate of five frames a step",
        {**WEIGHT_1, "model": {"n_basis": 6}},
        AT_RATE_OF_FIVE,
    ),
    "rate of five frames: one layer": (
        "the rate of five frames a step",
        {**WEIGHT_1, "model": {"layers": 1}},
        AT_RATE_OF_FIVE,
    ),
    "rate of five frames: 150 atoms a step": (
        "the rate of five frames a step",
        fitted(batch_atoms=150),
        AT_RATE_OF_FIVE,
    ),
    "rate of five frames: absolute errors": ("the rate of five frames a step", WEIGHT_1, (*AT_RATE_OF_FIVE, absolute)),
    "rate of five frames: energies last": (
        "the rate of five frames a step",
        WEIGHT_1,
        (*AT_RATE_OF_FIVE, last_for_energies),
    ),
    "rate of five frames: absolute errors, energies last": (
        "the rate of five frames a step",
        WEIGHT_1,
        (*AT_RATE_OF_FIVE, absolute, last_for_energies),
    ),
}


def measure(data: Path, which: str, name: str, seed: int) -> dict[str, Any]:
    files, valid, epochs = SETS[which]
    _, changes, patches = VARIANTS[name]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch())
        common = {
            "data": {"train": [str(data / file) for file in files], "valid": valid, "test": 0.0},
            "pretraining": {"weights": "none"},
            "budget": {"epochs": epochs},
            "run": {"out": f"{folder}/run", "seed": seed},
        }
        begun = time.process_time()
        run = fit(validate(merge(common, changes), name))
    if run.interrupted is not None:
        raise SystemExit(128 + run.interrupted)
    errors = {part: short(run.evaluations[part]) for part in ("valid", "train")}
    return {"epochs": epochs, "cpu_s": round(time.process_time() - begun, 1), **errors}


def short(evaluation: Evaluation) -> dict[str, float]:
    """Errors in meV an atom and meV/Å; of energies also what is left of them on average, by kind of frame."""
    energy, forces = evaluation.errors["energy_per_atom"], evaluation.errors["forces"]
    values = {"Emae": energy.mae, "Ermse": energy.rmse, "Fmae": forces.mae, "Frmse": forces.rmse}
    kinds = evaluation.config_types.items()
    values |= {
        f"Ebias {name}": kind.errors["energy_per_atom"].bias for name, kind in kinds if "energy_per_atom" in kind.errors
    }
    return {name: float(f"{1000 * value:.4g}") for name, value in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in range(arguments.seeds):
        for name in arguments.only:
            for which in arguments.sets:
                key = f"{which}/{name}/{seed}"
                if key in read("accuracy_choices"):
                    continue
                row = measure(arguments.data.resolve(), which, name, seed)
                print(f"{key}: valid {row['valid']}, train {row['train']}", flush=True)
                about = {"set": which, "change": name, "against": VARIANTS[name][0], "seed": seed}
                done = {**about, "machine": machine("equishare", "torch", "numba"), **row}
                write("accuracy_choices", {**read("accuracy_choices"), key: done})


if __name__ == "__main__":
    main()
