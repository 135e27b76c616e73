"""A training that is killed at random moments and resumed: is the result equal to the bit?

    python benchmarks/kills.py [--kills 1000] [--minutes 30] [--seed 0]

A small potential is trained on bundled frames. Again and again a process that trains it gets SIGKILL at a random moment, from its first
step to its last file, is resumed, and maybe killed again, until one reaches the end. Its metrics (but for times) and both model files must
be those of a run that was left alone. Processes are forked from one that has imported everything. Results are added to
``benchmarks/results/kills.json``.
"""

import argparse
import os
import random
import signal
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path

import torch
from measuring import machine, read, write

from equishare import datasets
from equishare.potential import load
from equishare.training import train
from equishare.training.checkpoint import CheckpointError
from equishare.training.run_folder import RunFolder

NAME = "kills"
SETTINGS = {
    "preset": "small",
    "channels": 4,
    "epochs": 12,
    "device": "cpu",
    "report": False,
    "optimisation": {"batch_size": 4},
}


# few, so that a run takes a second or two
FRAMES = datasets.load("ethanol")[:28]


def attempt(folder: Path) -> None:
    """Begin, or go on where there is something to go on with."""
    if (folder / "checkpoint.ckpt").exists():
        with suppress(CheckpointError):  # it was at its end already
            train(FRAMES, resume=folder, report=False)
    else:
        train(FRAMES, out=str(folder), **SETTINGS)


def forked(folder: Path, seconds: float | None) -> bool:
    """Run an attempt in a process of its own, killed after some time; whether it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            attempt(folder)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"a run in {folder} could not go on")
    return True


def result(folder: Path) -> tuple[list[dict[str, object]], list[dict[str, torch.Tensor]]]:
    """Metrics without times, and the weights of both model files."""
    run = RunFolder.existing(folder)
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in run.read_metrics()]
    return rows, [load(file).state_dict() for file in (run.model, run.last)]


def same(first: Path, second: Path) -> bool:
    """Equal to the bit."""
    (rows, weights), (other_rows, other_weights) = result(first), result(second)
    alike = all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(weights, other_weights, strict=True)
    )
    return rows == other_rows and alike


def uninterrupted(folder: Path, whole: Path) -> float:
    """Seconds of a run that is left alone; it must be equal to the first."""
    start = time.monotonic()
    forked(folder, None)
    length = time.monotonic() - start
    print(f"an uninterrupted run takes {length:.1f} s; equal to the first: {same(whole, folder)}", flush=True)
    return length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        forked(whole, None)  # compiles what is not compiled yet
        length = uninterrupted(Path(place) / "again", whole)
        kills = runs = resumed = wrong = 0
        stop = time.monotonic() + 60 * options.minutes
        while kills < options.kills and time.monotonic() < stop:
            if runs % 10 == 9:  # what else the machine does changes
                length = uninterrupted(Path(place) / f"again{runs}", whole)
            folder = Path(place) / f"run{runs}"
            for _ in range(rng.randint(1, 4)):
                resumed += (folder / "checkpoint.ckpt").exists()
                if forked(folder, rng.uniform(0.0, 1.1 * length)):
                    break
                kills += 1
                if folder.exists() and not (folder / "checkpoint.ckpt").exists() and any(folder.iterdir()):
                    folder = folder.with_name(folder.name + "_")  # killed before there was anything to go on with
            forked(folder, None)
            runs += 1
            wrong += not same(whole, folder)
            print(
                f"{kills} kills, {runs} runs, {resumed} resumed from a checkpoint, {wrong} not equal to the bit",
                flush=True,
            )
    row = {"seed": options.seed, "kills": kills, "runs": runs, "resumed": resumed, "wrong": wrong}
    found = read(NAME)
    found.setdefault("rows", []).append({**row, **machine("equishare", "torch")})
    write(NAME, found)


if __name__ == "__main__":
    main()
