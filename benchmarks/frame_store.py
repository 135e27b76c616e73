"""Training on more frames than fit into memory: conversion, disk, memory, and steps from disk beside steps from memory.

    python benchmarks/frame_store.py --frames 1000000 --minutes 8   # a copy each of one structure of 20 atoms, with noise
    python benchmarks/frame_store.py --formats                      # other formats: what a frame costs to write and to read

`--formats` needs ``pip install ase-db-backends zarr h5py``.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule

from equishare.atoms import read_frames
from equishare.atoms.store import FrameStore, convert, opening
from equishare.potential import ModelConfig, Potential, read_header
from equishare.training.budget import Budget
from equishare.training.config import OptimisationConfig
from equishare.training.config.config_file import validate
from equishare.training.data.batches import BatchLoader
from equishare.training.data.prepare import prepare
from equishare.training.data.statistics import statistics
from equishare.training.data.streamed_graphs import graphs_of
from equishare.training.fit import fit
from equishare.training.objective import Objective
from equishare.training.state import TrainingState

STIFFNESS, NOISE = 50.0, 0.03  # eV/Å^2, Å


def structure() -> Atoms:
    """Butane and methanol, 20 atoms."""
    first, second = molecule("trans-butane"), molecule("CH3OH")
    second.translate((0.0, 4.0, 1.0))
    return first + second


def write_copies(path: Path, count: int) -> None:
    """Copies with noise, each with the energy and forces of springs."""
    atoms, rng = structure(), np.random.default_rng(0)
    head = f'{len(atoms)}\nProperties=species:S:1:pos:R:3:forces:R:3 energy=%.6f pbc="F F F"\n'
    text = head + "".join(f"{symbol} %.6f %.6f %.6f %.6f %.6f %.6f\n" for symbol in atoms.symbols)
    with path.open("w") as stream:
        for _ in range(count):
            moved = rng.normal(scale=NOISE, size=(len(atoms), 3))
            row = np.concatenate([atoms.positions + moved, -STIFFNESS * moved], axis=1)
            energy = -1000.0 + 0.5 * STIFFNESS * np.square(moved).sum()
            stream.write(text % (energy, *row.ravel().tolist()))


class Clock:
    """CPU time of this process, its threads included, and the largest memory so far."""

    def __init__(self) -> None:
        self.begun = time.process_time()

    def says(self, what: str, frames: int) -> None:
        """Print the CPU time since the last call, and the memory."""
        seconds = time.process_time() - self.begun
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(
            f"{what:<44}{1e6 * seconds / frames:10.0f} us a frame  resident {resident / 1e9:5.2f} GB, at most {highest / 1e9:5.2f}",
            flush=True,
        )
        self.begun = time.process_time()


def compare_steps(file: Path, store: FrameStore, count: int) -> None:
    """Steps from memory and from disk, in turns; CPU time of making the batch, without the thread that does so ahead, and of the step."""
    config, options = ModelConfig(), OptimisationConfig()
    frames = {"memory": read_frames(f"{file}@:2000"), "disk": store.frames()[:2000]}
    graphs = {name: graphs_of(part, config, torch.float32) for name, part in frames.items()}
    constants = statistics(frames["memory"][:200], graphs["memory"][:200], {"H": -10.0, "C": -50.0, "O": -100.0})
    potential = Potential(config, constants)
    state = TrainingState(potential, options, Budget(epochs=1, steps_per_epoch=500))
    objective = Objective(potential, options, [""] * 2000, {"forces": True})
    loaders = {name: BatchLoader(part, 4, seed=0) for name, part in graphs.items()}
    orders = {name: np.random.default_rng([0, 0]).permutation(2000).reshape(-1, 4) for name in graphs}
    found = {name: [] for name in graphs}
    for number in range(count + 10):
        for name, loader in loaders.items():
            begun = time.process_time()
            batch = loader.make(orders[name][number])
            made = time.process_time()
            state.take_step(objective, batch)
            found[name].append((made - begun, time.process_time() - made))
    for name, seconds in found.items():
        load, step = 1e3 * np.median(seconds[10:], axis=0)
        print(
            f"a step of 4 frames from {name:<8}{load:8.2f} ms for the batch, {step:8.2f} ms for the step (CPU, medians of {count})"
        )


def formats(count: int) -> None:
    """What a frame costs in other formats: positions, forces, energy, cell, numbers."""
    import h5py
    import zarr
    from ase.db import connect

    atoms, rng = structure(), np.random.default_rng(0)
    positions = atoms.positions + rng.normal(scale=NOISE, size=(count, len(atoms), 3))
    forces, energies = rng.normal(size=positions.shape), rng.normal(size=count)
    order = rng.permutation(count)[:2000]

    def report(name, path, write, read):
        begun = time.process_time()
        write()
        written = time.process_time()
        for index in order:
            read(int(index))
        done = time.process_time()
        size = sum(f.stat().st_size for f in path.rglob("*")) if path.is_dir() else path.stat().st_size
        print(
            f"{name:<34}write {1e6 * (written - begun) / count:7.1f} us  read {1e6 * (done - written) / len(order):7.1f} us  {size / count:6.0f} bytes a frame"
        )

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        from ase.calculators.singlepoint import SinglePointCalculator

        database = connect(str(folder / "frames.aselmdb"), type="aselmdb")

        def write_rows():
            with database:
                for n in range(count):
                    copy = Atoms(atoms.numbers, positions=positions[n])
                    copy.calc = SinglePointCalculator(copy, energy=energies[n], forces=forces[n])
                    database.write(copy)

        rows = []

        def read_row(n):
            if not rows:  # the block above has closed the other one
                rows.append(connect(str(folder / "frames.aselmdb"), type="aselmdb"))
            return rows[0].get(n + 1).toatoms()

        report("LMDB (ase-db-backends)", folder / "frames.aselmdb", write_rows, read_row)
        arrays = {"positions": positions, "forces": forces, "energies": energies}

        hdf = h5py.File(folder / "frames.h5", "w")

        def write_hdf():
            for name, values in arrays.items():
                hdf.create_dataset(name, data=values, chunks=(64, *values.shape[1:]))
            hdf.flush()

        report(
            "HDF5 (h5py, chunks of 64 frames)", folder / "frames.h5", write_hdf, lambda n: [hdf[k][n] for k in arrays]
        )
        group = zarr.open_group(str(folder / "frames.zarr"), mode="w")

        def write_zarr():
            for name, values in arrays.items():
                group.create_array(name, data=values, chunks=(64, *values.shape[1:]))

        kept = {}
        report(
            "zarr (chunks of 64 frames)",
            folder / "frames.zarr",
            write_zarr,
            lambda n: [kept.setdefault(k, group[k])[n] for k in arrays],
        )
        write_copies(folder / "frames.xyz", count)

        store = {}

        def read_store(n):
            if not store:
                store["frames"] = FrameStore(folder / "store").frames()
            frame = store["frames"][n]
            return frame.store.geometry(n), frame.forces, frame.energy, frame.store.pairs(n)

        report(
            "NumPy arrays (ours; reads the XYZ)",
            folder / "store",
            lambda: convert([str(folder / "frames.xyz")], {}, folder / "store"),
            read_store,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--formats", action="store_true")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=1 / 60, help="of the run, its start included")
    parser.add_argument("--folder", type=Path, help="where the file, the store and the run go; kept")
    given = parser.parse_args()
    if given.formats:
        formats(min(given.frames, 20_000))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        measure(folder, given.frames, given.steps, 60 * given.minutes)


def measure(folder: Path, count: int, n_steps: int, seconds: float) -> None:
    """Write, convert, train one epoch's beginning."""
    file, clock = folder / "copies.xyz", Clock()
    if not file.exists():
        write_copies(file, count)
        clock.says("write the file", count)
    opening.SHARE = 0.0  # as if the memory were small
    store = opening.stored([str(file)], {}, lambda _, n: None)
    clock.says("convert", count)
    print(f"{file.stat().st_size / count:.0f} bytes a frame as text, ", end="")
    print(f"{sum(f.stat().st_size for f in store.folder.iterdir()) / count:.0f} in the store")
    compare_steps(file, store, n_steps)
    clock = Clock()
    config = validate(
        {
            "data": {"train": [str(file)], "valid": 500 / count, "test": 500 / count},
            "budget": {"max_time": seconds},
            "run": {"out": tempfile.mkdtemp(dir=folder), "device": "cpu"},
        }
    )
    prepare(config)
    clock.says("division and checks, alone", count)
    run = fit(config)
    clock.says("a whole run, those included", count)
    steps = read_header(run.folder.model).metadata["steps"]
    print(
        f"trained {steps} steps of {run.step_atoms:.0f} atoms, {run.step_milliseconds:.1f} ms each, in {run.seconds:.0f} s by the clock"
    )
    for part, evaluation in run.evaluations.items():
        errors = ", ".join(f"{name} {error.rmse:.3g}" for name, error in evaluation.errors.items())
        print(f"RMSE, {part}: {errors}")


if __name__ == "__main__":
    main()
