"""Choices of the potential, one at a time: validation errors after the same time on the same frames.

    python benchmarks/ablation.py DATA_FOLDER [--seconds 120] [--only NAME ...]

DATA_FOLDER is that of acetylacetone (BOTNet-datasets), with `train_300K.xyz` and `isolated_atoms.xyz`. A tenth of the training
frames validates; the test frames are not touched. Prints a table in Markdown.
"""

import argparse
import tempfile
from pathlib import Path
from unittest import mock

import torch

from equishare.training.config_file import merge, validate
from equishare.training.fit import fit
from equishare.training.module import PotentialModule
from equishare.training.soap import SOAP


def adamw(module: PotentialModule) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.potential.parameters(), amsgrad=True, weight_decay=0.0)


def soap(module: PotentialModule) -> torch.optim.Optimizer:
    return SOAP(module.potential.parameters())


# name: (what differs from the defaults, optimiser)
VARIANTS = {
    "default": ({}, soap),
    "AdamW (amsgrad), rate 0.005": ({"optimisation": {"learning_rate": 0.005}}, adamw),
    "AdamW (amsgrad), rate 0.015": ({"optimisation": {"learning_rate": 0.015}}, adamw),
    "rate 0.01": ({"optimisation": {"learning_rate": 0.01}}, soap),
    "rate 0.02": ({"optimisation": {"learning_rate": 0.02}}, soap),
    "rate 0.08": ({"optimisation": {"learning_rate": 0.08}}, soap),
    "2 frames a step": ({"optimisation": {"batch_size": 2}}, soap),
    "10 frames a step": ({"optimisation": {"batch_size": 10}}, soap),
    "energy weight 10": ({"optimisation": {"energy_weight": 10.0}}, soap),
    "96 channels": ({"model": {"channels": 96}}, soap),
    "3 layers": ({"model": {"layers": 3}}, soap),
    "density up to l = 2": ({"model": {"l_density": 2}}, soap),
    "features up to l = 1": ({"model": {"l_features": 1}}, soap),
    "body order 5": ({"model": {"body_order": 5}}, soap),
    "6 radial functions": ({"model": {"n_basis": 6}}, soap),
    "12 radial functions": ({"model": {"n_basis": 12}}, soap),
    "cutoff 4 Å": ({"model": {"cutoff": 4.0}}, soap),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    files = [str(arguments.data / name) for name in ("train_300K.xyz", "isolated_atoms.xyz")]
    print("| variant | E RMSE, meV | F RMSE, meV/Å | ms a step |\n| --- | --- | --- | --- |")
    for name in arguments.only:
        changes, optimiser = VARIANTS[name]
        common = {"data": {"train": files, "valid": 0.1, "test": 0.0}, "budget": {"max_time": arguments.seconds}}
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(PotentialModule, "configure_optimizers", optimiser),
        ):
            settings = merge(merge(common, {"run": {"out": f"{folder}/run"}}), changes)
            run = fit(validate(settings, name))
        errors = run.evaluations["valid"]
        row = (1000 * errors.energy_rmse, 1000 * errors.forces_rmse, run.step_milliseconds)
        print(f"| {name} | {row[0]:.2f} | {row[1]:.1f} | {row[2]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
