"""What a user gets from the prompt, against the figures that the project sets itself.

    python benchmarks/potential_targets.py [--data FOLDER] [--only startup bundled nve acac pretrained lithium] [--minutes 45] [--seeds 1]

`--data` holds `acac/` (acetylacetone, BOTNet-datasets) and `mlearn_li/` (lithium, mlearn); without it their rows are left
out. `pretrained` is acac with `--pretrain xtb`. Each row is one call of the command line in a process of its own, timed from
outside. Limits of errors are the published ones: MACE's from scratch, the best known with pretraining (Batatia et al. 2022), MTP's
on lithium (Zuo et al. 2020). Prints a table and writes it, with machine, date and versions, to
`benchmarks/results/potential_targets.json`; rows that were not run keep their last result.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measuring
import numpy as np

from equishare import datasets

PACKAGES = ("torch", "e3nn", "numpy", "numba", "ase", "lightning")
COMMAND = [sys.executable, "-m", "equishare.cli"]
LITHIUM = "5m"  # 15 minutes are no better: these are 241 frames of one element


def run(*arguments: str, folder: Path) -> float:
    """Run a command of the prompt, output to the terminal; seconds from start to end."""
    started = time.monotonic()
    subprocess.run([*COMMAND, *arguments], cwd=folder, check=True)
    return time.monotonic() - started


def evaluate(model: Path, file: str) -> dict[str, float]:
    done = subprocess.run([*COMMAND, "eval", str(model), file, "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def row(what: str, value: float, limit: float | None, unit: str, command: str) -> dict[str, object]:
    met = limit is None or bool(value <= limit)
    return {"what": what, "value": float(value), "limit": limit, "unit": unit, "met": met, "command": command}


def startup(folder: Path, arguments: argparse.Namespace) -> list[dict[str, object]]:
    # timed inside the process: the difference of two processes' times drowns in that of torch
    code = "import time, torch; begun = time.perf_counter(); import equishare; print(time.perf_counter() - begun)"
    imports, pages = [], []
    for _ in range(7):
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        imports.append(float(done.stdout))
        started = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], check=True, capture_output=True)
        pages.append(time.perf_counter() - started)
    return [
        row("import equishare, beyond import torch", min(imports), 1.0, "s", "import torch, equishare"),
        row("equishare --help", min(pages), 1.0, "s", "equishare --help"),
    ]


def bundled(folder: Path, arguments: argparse.Namespace) -> list[dict[str, object]]:
    seconds = run("train", "--out", "bundled", folder=folder)
    errors = evaluate(folder / "bundled" / "model.safetensors", str(datasets.path("ethanol_test")))
    forces = np.concatenate([atoms.get_forces().ravel() for atoms in datasets.load("ethanol_test")])
    relative = 100 * errors["forces_rmse"] / float(np.sqrt(np.mean(forces**2)))
    return [
        row("bundled ethanol: start to report", seconds, 180.0, "s", "equishare train"),
        row("bundled ethanol: force RMSE on held-out frames", relative, 3.0, "% of RMS", "equishare train"),
        row("bundled ethanol: energy RMSE", 1000 * errors["energy_rmse_per_atom"], None, "meV/atom", ""),
    ]


def nve(folder: Path, arguments: argparse.Namespace) -> list[dict[str, object]]:
    start = folder / "start.xyz"
    import ase.io

    ase.io.write(start, next(a for a in datasets.load("ethanol_test") if a.info.get("temperature") == 300))
    model = folder / "bundled" / "model.safetensors"
    options = ["--ensemble", "nve", "--temperature", "300", "--timestep", "0.5", "--steps", "20000", "--out", "nve"]
    run("md", str(model), str(start), *options, folder=folder)
    with (folder / "nve" / "md.csv").open() as file:
        rows = list(csv.DictReader(file))
    total = 1000 * np.array([float(r["total_eV"]) for r in rows]) / 9
    command = "equishare md MODEL START.xyz --ensemble nve --temperature 300 --timestep 0.5 --steps 20000"
    hot = max(float(r["temperature_K"]) for r in rows)
    finished = 0.0 if int(rows[-1]["step"]) == 20000 else 1.0
    tenth = len(total) // 10
    return [
        row(
            "NVE 10 ps: drift of the total energy",
            abs(total[-tenth:].mean() - total[:tenth].mean()),
            1.0,
            "meV/atom",
            command,
        ),
        row("NVE 10 ps: not finished (0: finished)", finished, 0.0, "", command),
        row("NVE 10 ps: highest temperature", hot, 1000.0, "K", command),
        row(
            "NVE: one step of 9 atoms",
            1000 / np.median([float(r["steps_per_s"]) for r in rows[1:]]),
            None,
            "ms",
            command,
        ),
    ]


def acac(
    folder: Path, arguments: argparse.Namespace, *more: str, forces: float = 5.1, energy: float = 0.9
) -> list[dict[str, object]]:
    data, name = arguments.data / "acac", "pretrained" if more else "acac"
    options = [str(data / "train_300K.xyz"), str(data / "isolated_atoms.xyz"), "--max-time", f"{arguments.minutes}m"]
    errors = []
    for seed in range(arguments.seeds):
        out = f"{name}-{seed}"
        model = folder / out / "model.safetensors"
        if not model.exists():
            run("train", *options, "--test", "0", *more, "--seed", str(seed), "--out", out, folder=folder)
        errors.append(evaluate(model, str(data / "test_MD_300K.xyz")))
    start = "equishare train acac/train_300K.xyz acac/isolated_atoms.xyz --test 0"
    command = " ".join([start, *more, f"--max-time {arguments.minutes}m --seed SEED"])
    rows = []
    for key, limit, unit in (("forces_rmse", forces, "meV/Å"), ("energy_rmse", energy, "meV")):
        each = [1000 * error[key] for error in errors]
        what = f"acetylacetone 300 K{', pretrained on xTB' if more else ''}: {key.replace('_', ' ').replace('rmse', 'RMSE')}"
        rows.append(row(what, float(np.mean(each)), limit, unit, command) | {"seeds": each})
    return rows


def pretrained(folder: Path, arguments: argparse.Namespace) -> list[dict[str, object]]:
    return acac(folder, arguments, "--pretrain", "xtb", forces=4.2, energy=0.7)


def lithium(folder: Path, arguments: argparse.Namespace) -> list[dict[str, object]]:
    data = arguments.data / "mlearn_li"
    errors = []
    for seed in range(arguments.seeds):
        model = folder / f"lithium-{seed}" / "model.safetensors"
        if not model.exists():
            options = ["--test", "0", "--max-time", LITHIUM, "--seed", str(seed), "--out", f"lithium-{seed}"]
            run("train", str(data / "train.xyz"), *options, folder=folder)
        errors.append(evaluate(model, str(data / "test.xyz")))
    command = f"equishare train mlearn_li/train.xyz --test 0 --max-time {LITHIUM} --seed SEED"
    rows = []
    for what, key, scale, limit, unit in (
        ("energy MAE", "energy_mae_per_atom", 1000, 0.49, "meV/atom"),
        ("force MAE", "forces_mae", 1, 0.01, "eV/Å"),
    ):
        each = [scale * error[key] for error in errors]
        rows.append(row(f"lithium: {what}", float(np.mean(each)), limit, unit, command) | {"seeds": each})
    return rows


ROWS: dict[str, Callable[[Path, argparse.Namespace], list[dict[str, object]]]] = {
    "startup": startup,
    "bundled": bundled,
    "nve": nve,
    "acac": acac,
    "pretrained": pretrained,
    "lithium": lithium,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with acac/ and mlearn_li/")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--minutes", type=int, default=45, help="for acac and pretrained")
    parser.add_argument(
        "--seeds", type=int, default=1, help="runs of acac, pretrained and lithium; the rows are their means"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        help="folder of the runs, whose acac-, pretrained- and lithium-SEED are not run again; default: a temporary one (nve needs bundled)",
    )
    arguments = parser.parse_args()
    results = measuring.read("potential_targets")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.only:
            if name in ("acac", "pretrained", "lithium") and arguments.data is None:
                print(f"{name}: left out, for there is no --data")
                continue
            if arguments.data is not None:
                arguments.data = arguments.data.resolve()
            results[name] = {"machine": measuring.machine(*PACKAGES), "rows": ROWS[name](folder, arguments)}
            measuring.write("potential_targets", results)
    print(f"\n{'':56s} {'measured':>10s} {'limit':>8s}")
    for part in results.values():
        for r in part["rows"]:
            limit = f"{r['limit']:8g}" if r["limit"] is not None else f"{'-':>8s}"
            verdict = "" if r["limit"] is None else ("met" if r["met"] else "NOT MET")
            print(f"{r['what']:56s} {r['value']:10.3g} {limit} {r['unit']:10s} {verdict}")


if __name__ == "__main__":
    main()
