"""Training in two processes beside one: CPU time of a step in each, and what talking to each other costs.

    python benchmarks/processes.py --devices 1
    torchrun --nproc-per-node 2 benchmarks/processes.py --devices 2

CPU times say what each process has to do, wall times what a free machine makes of it; on a busy one only the first mean something.
"""

import argparse
import os
import time

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
from equishare.training.processes import joined
from equishare.training.state import TrainingState

SPECIES = {"C": -1000.0, "O": -2000.0}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument(
        "--frames", type=int, nargs="+", default=[8, 24], help="frames a step, of 12 atoms of dry ice each"
    )
    given = parser.parse_args()
    torch.set_num_threads(given.devices)  # joined() divides them: one each
    frames = [frame for frame in read_frames("dry_ice") if len(frame.atoms) == 12]
    config, options = ModelConfig(), OptimisationConfig()
    with joined(given.devices, torch.device("cpu")) as (processes, _):
        graphs = labelled_graphs(frames, config)
        processes.total = timed(processes.total)
        for size in given.frames:
            torch.manual_seed(0)
            potential = Potential(config, statistics(frames, graphs, SPECIES))
            state = TrainingState(potential, options, Budget(epochs=10_000))
            objective = Objective(potential, options, [""] * len(frames), {"forces": True, "stress": True}, processes)
            loader = BatchLoader(graphs, size, 0, processes)
            batches = [batch for epoch in range(given.steps) for batch in loader.epoch(epoch)]
            atoms = 12 * len(frames) / len(loader)
            found = []
            for number, batch in enumerate(batches[: given.steps + 3]):
                if number == 3:
                    talking.update(wall=0.0, cpu=0.0)
                wall, cpu = time.perf_counter(), time.process_time()
                state.take_step(objective, batch)
                if number >= 3:
                    found.append((time.perf_counter() - wall, time.process_time() - cpu))
            wall, cpu = 1e3 * np.median(found, axis=0)
            print(
                f"process {processes.rank} of {processes.size}, {atoms:.0f} atoms a step: {cpu:6.1f} ms of CPU time, {wall:6.1f} ms of wall; "
                f"talking and waiting {1e3 * talking['cpu'] / len(found):5.2f} ms of CPU, {1e3 * talking['wall'] / len(found):6.2f} ms of wall; load {os.getloadavg()[0]:.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
