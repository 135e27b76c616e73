"""The backends of the potential beside each other: energy and forces, and the gradient of a loss on forces.

    OMP_NUM_THREADS=1 python benchmarks/backends.py [--device cuda] [--molecules 8 64] [--repeats 10]

Water boxes, default preset with random weights, float32. On the CPU the compiled loops (numba) against plain torch, CPU time; on a GPU
Triton's kernels against plain torch, wall time with the most memory that torch held. Calls take turns, medians are printed and
written, with machine, date and versions, to `benchmarks/results/backends.json`, a device an entry.
"""

import argparse
import time

import numpy as np
import torch
from measuring import machine, read, write
from peers.worker import water_box

from equishare.nn import backend
from equishare.potential import ModelConfig, Potential, Statistics, collate, from_atoms


def measure(name: str, task: str, potential: Potential, graph, device: str) -> tuple[float, float]:
    """(milliseconds, MiB of the GPU's memory) of one call."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = clock()
    with backend(name):
        if task == "energy and forces":
            potential.eval()(graph)
        else:
            prediction = potential.train()(graph)
            (prediction.interaction_energy.sum() + prediction.forces.square().sum()).backward()
    if device == "cuda":
        torch.cuda.synchronize()
    memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else float("nan")
    return 1000 * (clock() - start), memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--molecules", type=int, nargs="+", default=[8, 64], help="cubic numbers")
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    names = ("torch", "triton" if arguments.device == "cuda" else "numba")
    rows = []
    print(f"{'milliseconds':44s} {names[0]:>8s} {names[1]:>8s} {'ratio':>7s}")
    for molecules in arguments.molecules:
        potential = Potential(
            ModelConfig.preset("default"), Statistics(reference_energies={"H": -13.6, "O": -430.0}, neighbours=50.0)
        )
        potential = potential.to(arguments.device)
        graph = collate([from_atoms(water_box(molecules), potential.cutoff)]).to(arguments.device)
        for task in ("energy and forces", "gradient of a loss on forces"):
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
            for turn in range(arguments.repeats + 2):
                for name in names:
                    one = measure(name, task, potential, graph, arguments.device)
                    if turn >= 2:
                        found[name].append(one)
            (first, of_first), (second, of_second) = (np.median(found[name], axis=0) for name in names)
            ratio = float(np.median([a[0] / b[0] for a, b in zip(*found.values(), strict=True)]))
            what = f"{3 * molecules} atoms, {task}"
            memory = f"   {of_first:.0f} and {of_second:.0f} MiB" if arguments.device == "cuda" else ""
            print(f"{what:44s} {first:8.1f} {second:8.1f} {ratio:7.1f}{memory}", flush=True)
            rows.append(
                {
                    "what": what,
                    "ms": {names[0]: round(first, 2), names[1]: round(second, 2)},
                    "mebibytes": None if arguments.device == "cpu" else {names[0]: of_first, names[1]: of_second},
                    "torch_over_other": round(ratio, 2),
                }
            )
    device = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    versions = machine("equishare", "torch", "numba", "triton")
    write("backends", read("backends") | {device: {"machine": versions, "rows": rows}})


if __name__ == "__main__":
    main()
