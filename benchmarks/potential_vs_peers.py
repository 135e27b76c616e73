"""The potential against MACE and NequIP: the same data, the same machine, one thread each.

    python benchmarks/potential_vs_peers.py --data FOLDER --mace PYTHON --nequip PYTHON
        [--only step startup md water tensor_product training] [--water 4 8 15] [--train-minutes 30] [--seeds 1]

`--data` holds `acac/` (acetylacetone, BOTNet-datasets); PYTHON is the interpreter of an environment with the peer, left out: its
rows are left out. Reference settings: MACE 64x0e + 64x1o to train and 128x0e + 128x1o to run, l_max 3, correlation 3, 5 Å;
NequIP l_max 2, 32 features, 3 layers, 5 Å; batches of 5 frames; float32. Each row is measured in a process of its own; times are CPU
times of that process on one thread, for other programs may share the machine. `training` starts each program's own training command, and
follows its errors on held-out test frames over the CPU time used, until 25 meV/Å or `--train-minutes`.

Results are added to `benchmarks/results/potential_vs_peers.json` after every row, with machine, date and versions: a run that is
cut off is continued with `--only`. Prints the table.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine, read, write
from peers import training

NAME = "potential_vs_peers"
HERE = Path(__file__).resolve().parent
PROGRAMS = ("equishare", "mace", "nequip")


def work(program: str, arguments: argparse.Namespace, **request: Any) -> dict[str, Any]:
    """Start a worker and take its answer."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **request.pop("environment", {})}
    environment.pop("PYTHONPATH", None)
    if program == "equishare":
        environment["PYTHONPATH"] = str(HERE.parent)
    worker = HERE / "peers" / f"{program}_worker.py"
    command = [getattr(arguments, program), str(worker), json.dumps(request)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{program} failed on {request}")
    return json.loads(done.stdout.splitlines()[-1])


def per_atom(answer: dict[str, Any]) -> dict[str, Any]:
    """Least and median of the times, a step and an atom."""
    times = np.array(answer["milliseconds"])
    return {
        "ms": round(float(np.median(times)), 3),
        "least_ms": round(float(times.min()), 3),
        "ms_per_atom": round(float(np.median(times) / answer["atoms"]), 4),
        "least_ms_per_atom": round(float(times.min() / answer["atoms"]), 4),
        **{name: value for name, value in answer.items() if name != "milliseconds"},
    }


def frames(arguments: argparse.Namespace, file: str) -> dict[str, str]:
    folder = arguments.data / "acac"
    return {"data": str(folder / file), "isolated": str(folder / "isolated_atoms.xyz")}


def step(program: str, arguments: argparse.Namespace) -> dict[str, Any]:
    found = work(program, arguments, task="step", steps=arguments.steps, **frames(arguments, "train_300K.xyz"))
    return {program: per_atom(found)}


def startup(program: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """To the first step where nothing is compiled yet: an empty cache; NequIP as its documentation compiles it."""
    with tempfile.TemporaryDirectory() as cache:
        found = work(
            program,
            arguments,
            task="step",
            steps=0,
            compile=program == "nequip",
            environment={"NUMBA_CACHE_DIR": cache, "TORCHINDUCTOR_CACHE_DIR": cache},
            **frames(arguments, "train_300K.xyz"),
        )
    return {program: {name: found[name] for name in ("first_step_cpu_s", "first_step_wall_s", "versions")}}


def md(program: str, arguments: argparse.Namespace) -> dict[str, Any]:
    found = work(program, arguments, task="md", steps=arguments.steps, **frames(arguments, "test_MD_300K.xyz"))
    return {program: per_atom(found)}


def water(program: str, arguments: argparse.Namespace) -> dict[str, Any]:
    found = {}
    for side in arguments.water:
        if program == "equishare" or side <= arguments.largest_peer_water:
            steps = max(1, min(arguments.steps, 5000 // side**3))
            answer = per_atom(work(program, arguments, task="water", molecules=side**3, steps=steps))
            found[f"{program}, {answer['atoms']} atoms"] = answer
    return found


PARTS = {"step": step, "startup": startup, "md": md, "water": water}


def tensor_product(arguments: argparse.Namespace) -> dict[str, Any]:
    import torch
    from tensor_product import measure

    torch.set_num_threads(1)
    rows = measure(914, 75, 64, arguments.steps)
    return {f"{r['form']}, {r['passes']}, {r['implementation']}": r for r in rows}


def table(results: dict[str, Any]) -> list[str]:
    """Rows of the printed table: ours, the peer's, and how many times more the peer takes."""
    lines = [f"{'':60s} {'ours':>9s} {'peer':>9s} {'ratio':>7s}"]

    def line(what: str, ours: float | None, peer: float | None) -> None:
        shown = [f"{value:9.3g}" if value is not None else f"{'-':>9s}" for value in (ours, peer)]
        lines.append(f"{what:60s} {' '.join(shown)} {peer / ours if ours and peer else float('nan'):7.1f}")

    for part, field, unit in (
        ("step", "ms_per_atom", "training step, ms an atom"),
        ("step", "parameters", "parameters"),
        ("startup", "first_step_wall_s", "start to first training step, nothing cached, s"),
        ("startup", "first_step_cpu_s", "the same, CPU s of all processes"),
        ("step", "first_step_wall_s", "start to first training step, loops in the cache, s"),
        ("md", "ms", "MD step of 15 atoms, ms"),
    ):
        rows = results.get(part, {}).get("rows", {})
        for peer in PROGRAMS[1:]:
            if "equishare" in rows and peer in rows:
                line(f"{unit} ({peer})", rows["equishare"][field], rows[peer][field])
    boxes = results.get("water", {}).get("rows", {})
    for name, row in boxes.items():
        program, _, atoms = name.partition(", ")
        if program == "equishare":
            peers = [peer for peer in PROGRAMS[1:] if f"{peer}, {atoms}" in boxes]
            for peer in peers or ["-"]:
                other = boxes.get(f"{peer}, {atoms}", {})
                line(f"water, {atoms}, ms an atom ({peer})", row["ms_per_atom"], other.get("ms_per_atom"))
                memory = [
                    1024 * (r["memory_most"] - r["memory_before"]) / r["atoms"] if r else None for r in (row, other)
                ]
                line(f"water, {atoms}, memory in KiB an atom ({peer})", *memory)
    products = results.get("tensor_product", {}).get("rows", {})
    for row in products.values():
        if row["implementation"] != "equishare":
            what = f"{row['form']}, {row['passes']}"
            line(f"{what}, ms ({row['implementation']})", products[f"{what}, equishare"]["median_ms"], row["median_ms"])
    curves = results.get("training", {}).get("rows", {})
    for name, row in curves.items():
        reached = "not reached" if row["seconds_to_target"] is None else f"{row['seconds_to_target']:.0f} s"
        last = row["curve"][-1]
        lines.append(
            f"{name}: 25 meV/Å on test frames {reached}; last {last['forces']:.1f} meV/Å after {last['cpu_s']:.0f} CPU s"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with acac/")
    parser.add_argument("--mace", metavar="PYTHON", help="of an environment with mace-torch")
    parser.add_argument("--nequip", metavar="PYTHON", help="of an environment with nequip")
    parts = (*PARTS, "tensor_product", "training")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART", help=", ".join(parts))
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each row")
    parser.add_argument("--water", type=int, nargs="+", default=[4, 8, 15], help="molecules along a box's edge")
    parser.add_argument("--largest-peer-water", type=int, default=8, help="the peers run no larger box")
    parser.add_argument("--train-minutes", type=float, default=30.0, help="CPU minutes of each training, at most")
    parser.add_argument("--budgets", type=float, nargs="+", default=[60, 150], help="CPU seconds of our trainings")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    arguments = parser.parse_args()
    arguments.equishare = sys.executable
    arguments.data = arguments.data.resolve() if arguments.data else None
    programs = [name for name in arguments.programs if getattr(arguments, name)]

    def keep(part: str, rows: dict[str, Any]) -> None:
        results = read(NAME)  # another run may have added to it
        kept = results.setdefault(part, {"rows": {}})
        here = machine("equishare", "torch", "e3nn", "numba", "numpy")
        kept["rows"].update({name: {**row, "machine": here} for name, row in rows.items()})
        write(NAME, results)

    for part in arguments.only:
        if part == "tensor_product":
            keep(part, tensor_product(arguments))
        elif part != "water" and arguments.data is None:
            print(f"{part}: left out, for there is no --data")
        elif part == "training":
            for name, row in training.runs(programs, arguments):
                keep(part, {name: row})
            training.picture(read(NAME)["training"]["rows"], HERE / "results" / "learning_curves.png")
        else:
            for program in programs:
                keep(part, PARTS[part](program, arguments))
    print("\n".join(table(read(NAME))))


if __name__ == "__main__":
    main()
