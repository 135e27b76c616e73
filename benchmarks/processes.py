"""Training in two processes beside one: what a step takes by the clock, what each process has to do, and what talking to each other costs.

    python benchmarks/processes.py        # two cores that nothing else uses; about two minutes

Wall times say what a free machine makes of it; on a busy one only CPU times mean something, and the load stands below the table.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equishare.atoms import read_frames
from equishare.potential import ModelConfig, Potential
from equishare.training.budget import Budget
from equishare.training.config import OptimisationConfig
from equishare.training.data.batches import BatchLoader
from equishare.training.data.labelled_graphs import labelled_graphs
from equishare.training.data.statistics import statistics
from equishare.training.objective import Objective
from equishare.training.processes import Processes, joined
from equishare.training.state import TrainingState

SPECIES = {"C": -1000.0, "O": -2000.0}
WARM = 3
talking = {"wall": 0.0, "cpu": 0.0}


def timed(total):
    """Time that a sum over the processes takes, waiting for the others included."""

    def summed(values):
        wall, cpu = time.perf_counter(), time.process_time()
        found = total(values)
        talking["wall"] += time.perf_counter() - wall
        talking["cpu"] += time.process_time() - cpu
        return found

    return summed


def work(devices: int, steps: int, sizes: list[int], folder: Path) -> None:
    """One process of some: a file of JSON for each size of a step."""
    torch.set_num_threads(devices)  # joined() divides them: one each
    frames = [frame for frame in read_frames("dry_ice") if frame.n_atoms == 12]
    config = ModelConfig()
    with joined(devices, torch.device("cpu")) as (processes, _):
        graphs = labelled_graphs(frames, config)
        processes.total = timed(processes.total)
        for size in sizes:
            row = step_of(processes, graphs, frames, config, size=size, steps=steps)
            (folder / f"{processes.rank}_{size}.json").write_text(
                json.dumps({"devices": devices, "frames": size, **row})
            )


def step_of(
    processes: Processes, graphs: list, frames: list, config: ModelConfig, *, size: int, steps: int
) -> dict[str, float]:
    """Median milliseconds of a step of so many frames in this process."""
    torch.manual_seed(0)
    options = OptimisationConfig()
    potential = Potential(config, statistics(frames, graphs, SPECIES))
    state = TrainingState(potential, options, Budget(epochs=10_000))
    objective = Objective(potential, options, [""] * len(frames), {"forces": True, "stress": True}, processes)
    loader = BatchLoader(graphs, size, 0, processes)
    batches = [batch for epoch in range(steps + WARM) for batch in loader.epoch(epoch)][: steps + WARM]
    found = []
    for number, batch in enumerate(batches):
        if number == WARM:
            talking.update(wall=0.0, cpu=0.0)
        wall, cpu = time.perf_counter(), time.process_time()
        state.take_step(objective, batch)
        if number >= WARM:
            found.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = 1e3 * np.median(found, axis=0)
    talked = {f"talking_{name}": 1e3 * value / len(found) for name, value in talking.items()}
    return {"wall": float(wall), "cpu": float(cpu), "atoms": 12 * len(frames) / len(loader), **talked}


def rows_of(devices: int, steps: int, sizes: list[int]) -> list[dict[str, Any]]:
    """What the processes of one training say."""
    program = [str(Path(__file__).resolve()), "--work", str(devices), "--steps", str(steps)]
    program += ["--frames", *map(str, sizes)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(devices)] if devices > 1 else []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, *launcher, *program, "--folder", folder], env=environment, check=True)
        return [json.loads(path.read_text()) for path in sorted(Path(folder).iterdir())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument(
        "--frames", type=int, nargs="+", default=[8, 24], help="frames a step, of 12 atoms of dry ice each"
    )
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.steps, given.frames, given.folder)
        return
    rows = [row for devices in (1, 2) for row in rows_of(devices, given.steps, given.frames)]
    print(
        "atoms a step   processes   ms by the clock   CPU ms of each   talking, CPU ms   and waiting, ms   times as fast"
    )
    for size in given.frames:
        alone = next(row["wall"] for row in rows if (row["devices"], row["frames"]) == (1, size))
        for devices in (1, 2):
            mine = [row for row in rows if (row["devices"], row["frames"]) == (devices, size)]
            # a step has ended when the slowest has
            wall, cpu, said, waited = (
                max(row[name] for row in mine) for name in ("wall", "cpu", "talking_cpu", "talking_wall")
            )
            print(
                f"{mine[0]['atoms']:12.0f}{devices:12d}{wall:18.1f}{cpu:17.1f}{said:18.2f}{waited:18.2f}{alone / wall:16.2f}"
            )
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
