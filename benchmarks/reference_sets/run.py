"""One run of the harness, in a process of its own whose clock is the CPU's: what other programs do beside it costs it nothing.

    python -m reference_sets.run '{"set": "acac", "data": "DATA", "preset": "default", "minutes": 10, "seed": 0, "out": "FOLDER"}'

Run in `benchmarks/`. Prints one line of JSON. A run that gets a signal keeps its checkpoint, and the same command goes on with it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

time.perf_counter = time.process_time  # budgets count what this process computes, before anything reads the clock

import ase.io  # noqa: E402
import torch  # noqa: E402
from ase import Atoms  # noqa: E402

from equishare import datasets  # noqa: E402
from equishare.clock import Clock  # noqa: E402
from equishare.potential import load  # noqa: E402
from equishare.training.config.config_file import validate  # noqa: E402
from equishare.training.config.settings import resumed  # noqa: E402
from equishare.training.evaluation.evaluate import Evaluation  # noqa: E402
from equishare.training.fit import fit  # noqa: E402
from equishare.training.run import Run  # noqa: E402
from equishare.training.speed import microseconds_per_atom, repeated  # noqa: E402
from reference_sets.sets import SETS, ReferenceSet  # noqa: E402


def train(task: dict[str, Any]) -> Run:
    """The training run, from noise; from its checkpoint if it has one."""
    which, data, out = SETS[task["set"]], Path(task["data"]), Path(task["out"])
    if (out / "checkpoint.ckpt").exists():
        config, folder = resumed(out, {})
        return fit(config, resume=folder, clock=Clock(0.0))
    train = which.files(data, which.train)
    if "frames" in task:
        train[0] += f"@:{task['frames']}"
    files = {"train": train, "test": which.files(data, (which.test,)), "valid": which.valid}
    settings = {
        "data": files,
        "model": {"preset": task["preset"]},
        "pretraining": {"weights": "none"},
        "budget": {"max_time": 60.0 * task["minutes"]},
        "run": {"out": str(out), "seed": task["seed"], "device": "cpu"},
    }
    return fit(validate(settings, "the run"), clock=Clock(0.0))


def errors(evaluation: Evaluation) -> dict[str, float]:
    """Errors in eV and Å to six digits; those of energies an atom by kind of frame too."""
    kinds = {
        f"{name}: {metric}": part.metrics().get(metric)
        for name, part in evaluation.config_types.items()
        for metric in ("energy_mae_per_atom", "energy_bias_per_atom", "forces_mae")
    }
    found = {**evaluation.metrics(), **kinds}
    return {name: float(f"{value:.6g}") for name, value in found.items() if value is not None}


def first_test_frame(which: ReferenceSet, data: Path) -> Atoms:
    """What the time an atom is measured on, repeated."""
    name = which.files(data, (which.test,))[0]
    return ase.io.read(name, "0") if "/" in name else datasets.load(name)[0]


def main() -> None:
    task = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    run = train(task)
    if run.interrupted is not None:
        raise SystemExit(128 + run.interrupted)
    potential = load(run.folder.model)
    atoms = repeated(first_test_frame(SETS[task["set"]], Path(task["data"])))
    row = {
        "cpu_minutes": round(run.seconds / 60, 2),
        "steps": run.folder.read_metrics()[-1]["step"],
        "step_ms": round(run.step_milliseconds, 2),
        "parameters": sum(weight.numel() for weight in potential.parameters()),
        "us_per_atom": round(microseconds_per_atom(potential, atoms), 1),
        **{part: errors(evaluation) for part, evaluation in run.evaluations.items()},
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
