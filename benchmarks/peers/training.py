"""Learning curves: each program's own training command, and its errors over the CPU time it has used."""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io

TARGET = 25.0  # meV/Å
WATCHED = 13  # every so many test frames are watched while MACE trains: all of them would cost half of its time


def runs(programs: list[str], arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """One row for each program and seed."""
    for seed in range(arguments.seeds):
        if "equishare" in programs:
            yield f"equishare, seed {seed}", ours(arguments, seed)
        if "mace" in programs:
            yield f"mace, seed {seed}", mace(arguments, seed)


def ours(arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """A complete training for each budget: the learning rate falls over it, so a point of one run is not a result.

    Budgets are in epochs, made from the CPU time of an epoch, for wall-clock says little on a machine that is shared.
    """
    data = arguments.data / "acac"
    curve: list[dict[str, float]] = []
    per_epoch, start = 4.5, 12.0  # CPU seconds, replaced by what the run before took
    with tempfile.TemporaryDirectory() as folder:
        for budget in arguments.budgets:
            epochs = max(1, round((budget - start) / per_epoch))
            out = Path(folder) / f"{budget:.0f}"
            files = [str(data / "train_300K.xyz"), str(data / "isolated_atoms.xyz")]
            options = ["--test", "0", "--epochs", str(epochs), "--seed", str(seed), "--out", str(out)]
            cpu = _cpu_of(["train", *files, *options])
            per_epoch = (cpu - start) / epochs
            command = [sys.executable, "-m", "equishare.cli", "eval", str(out / "model.safetensors")]
            done = subprocess.run(
                [*command, str(data / "test_MD_300K.xyz"), "--json"], check=True, stdout=subprocess.PIPE, text=True
            )
            found = json.loads(done.stdout)
            forces, energy = 1000 * found["forces_rmse"], 1000 * found["energy_rmse"]
            curve.append({"cpu_s": round(cpu, 1), "epochs": epochs, "forces": forces, "energy": energy})
    return _row(curve, "equishare train FILES --test 0 --epochs N, whole runs; all test frames")


def _cpu_of(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "equishare.cli", *command],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def mace(arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """One run of mace_run_train with its defaults, until the target or the end of the budget."""
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data / "acac"
        watched = Path(folder) / "watched.xyz"
        ase.io.write(watched, ase.io.read(data / "test_MD_300K.xyz", f"::{WATCHED}"))
        isolated = ase.io.read(data / "isolated_atoms.xyz", ":")
        energies = {int(atoms.numbers[0]): float(atoms.get_potential_energy()) for atoms in isolated}
        said = Path(folder) / "said.txt"
        with said.open("w") as output:
            process = subprocess.Popen(
                mace_command(arguments.mace, folder, data / "train_300K.xyz", watched, energies, seed),
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        try:
            curve = follow(process, Path(folder) / "logs" / f"mace_run-{seed}.log", 60 * arguments.train_minutes)
        finally:
            process.terminate()
            process.wait()
        if not curve:
            raise SystemExit(f"mace_run_train printed no errors; its last words:\n{said.read_text()[-2000:]}")
    return _row(curve, f"mace_run_train; every {WATCHED}th test frame")


def mace_command(
    python: str, folder: str, train: Path, watched: Path, energies: dict[int, float], seed: int, **more: object
) -> list[str]:
    """MACE's own training, the reference settings and `more`, errors on the watched frames after every epoch."""
    settings = {
        "name": "mace",
        "model": "MACE",
        "hidden_irreps": "64x0e + 64x1o",
        "max_ell": 3,
        "correlation": 3,
        "r_max": 5.0,
        "batch_size": 5,
        "train_file": train,
        "valid_file": watched,
        "E0s": str(energies),
        "energy_key": "energy",
        "forces_key": "forces",
        "ema_decay": 0.99,
        "max_num_epochs": 1000,
        "eval_interval": 1,
        "default_dtype": "float32",
        "device": "cpu",
        "seed": seed,
        "plot": False,
        "work_dir": folder,
        **more,
    }
    command = Path(python).with_name("mace_run_train")
    return [str(command), "--ema", *(f"--{name}={value}" for name, value in settings.items())]


def follow(process: subprocess.Popen[bytes], log: Path, budget: float) -> list[dict[str, float]]:
    """Errors in MACE's log, each with the CPU seconds of the process when it appeared."""
    curve: list[dict[str, float]] = []
    while process.poll() is None:
        cpu = cpu_seconds(process.pid)
        for epoch, forces in epochs(log)[len(curve) :]:
            curve.append({"cpu_s": round(cpu, 1), "epochs": epoch, "forces": forces})
        if cpu > budget or (curve and curve[-1]["forces"] <= TARGET):
            break
        time.sleep(2)
    return curve


def epochs(log: Path) -> list[tuple[int, float]]:
    """(epochs done, force RMSE in meV/Å) of each line of errors in MACE's log."""
    text = log.read_text() if log.exists() else ""
    return [(int(n) + 1, float(f)) for n, f in re.findall(r"Epoch (\d+):.*?RMSE_F=\s*([\d.]+) meV", text)]


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _row(curve: list[dict[str, float]], how: str) -> dict[str, Any]:
    reached = [point["cpu_s"] for point in curve if point["forces"] <= TARGET]
    return {"how": how, "curve": curve, "seconds_to_target": min(reached, default=None)}


def picture(rows: dict[str, Any], path: Path) -> None:
    """Force errors over CPU time, every run in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    looks = {
        "equishare": ("equishare", -1, {"color": "#0072b2", "marker": "o", "linewidth": 2}),
        "mace": ("MACE", 0, {"color": "#d55e00", "marker": "s", "markerfacecolor": "white", "linestyle": "dashed"}),
    }
    for name, row in rows.items():
        program, place, look = looks[name.partition(",")[0]]
        x, y = ([point[key] for point in row["curve"]] for key in ("cpu_s", "forces"))
        axes.plot(x, y, markersize=5, **look)
        if name.endswith("seed 0"):
            axes.annotate(
                program, (x[place], y[place]), (9, -3), textcoords="offset points", color=look["color"], fontsize=11
            )
    axes.axhline(TARGET, color="grey", linewidth=0.8, linestyle="dotted")
    axes.annotate(
        f"{TARGET:g} meV/Å",
        (1, TARGET),
        (-4, 4),
        ("axes fraction", "data"),
        "offset points",
        ha="right",
        color="dimgrey",
    )
    axes.set(xscale="log", yscale="log", xlabel="CPU time of training on one core, s", ylabel="force error, meV/Å")
    axes.set(xlim=(30, 4000), title="Acetylacetone: RMS error of the forces on test frames")
    axes.set_xticks([30, 60, 120, 300, 600, 1200, 2400], ["30", "60", "120", "300", "600", "1200", "2400"])
    axes.set_yticks([10, 20, 50, 100, 200], ["10", "20", "50", "100", "200"])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
