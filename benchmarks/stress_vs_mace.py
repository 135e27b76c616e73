"""Errors of the stress of dry ice, beside MACE's own training with ten times the time.

    python benchmarks/stress_vs_mace.py --mace PYTHON [--minutes 1] [--times 10] [--seed 0]

Both learn energies, forces and stress of the bundled frames, each in minutes of CPU time on one thread, from noise, and are judged by the
frames that are held out, which choose nothing; of MACE the best epoch counts. PYTHON is an interpreter with mace-torch. Results go to
`benchmarks/results/stress_vs_mace.json`.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import ase.io
import measuring
from accuracy import run
from ase import Atoms
from peers.training import cpu_seconds, mace_command

from equishare import datasets

NAME = "stress_vs_mace"
LINE = re.compile(
    r"Epoch (\d+):.*?RMSE_E_per_atom=\s*([\d.]+) meV, RMSE_F=\s*([\d.]+) meV / A, RMSE_stress=\s*([\d.]+)"
)


def labelled(atoms: Atoms) -> Atoms:
    """With its labels where MACE looks for them."""
    found = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    found.info["REF_energy"] = atoms.get_potential_energy()
    found.arrays["REF_forces"] = atoms.get_forces()
    found.info["REF_stress"] = atoms.get_stress(voigt=False)
    return found


def ours(minutes: float, seed: int, folder: Path) -> dict[str, float]:
    """As the harness of accuracy trains."""
    task = {"set": "dry_ice", "preset": "default", "minutes": minutes, "seed": seed}
    found = run({**task, "data": str(folder), "out": str(folder / "ours")})
    errors = found["test"]
    return {
        "cpu_minutes": found["cpu_minutes"],
        "energy": 1000 * errors["energy_rmse_per_atom"],
        "forces": 1000 * errors["forces_rmse"],
        "stress": 1000 * errors["stress_rmse"],
    }


def mace(python: str, minutes: float, seed: int, folder: Path) -> dict[str, float]:
    """The epoch with the lowest error of the stress, of those that fit into the time."""
    frames = datasets.load("dry_ice")
    alone = {int(a.numbers[0]): float(a.get_potential_energy()) for a in frames if len(a) == 1}
    ase.io.write(folder / "train.xyz", [labelled(a) for a in frames if len(a) > 1])
    ase.io.write(folder / "test.xyz", [labelled(a) for a in datasets.load("dry_ice_test") if len(a) > 1])
    keys = {f"{name}_key": f"REF_{name}" for name in ("energy", "forces", "stress")}
    options = {"loss": "stress", "compute_stress": True, "error_table": "PerAtomRMSEstressvirials", **keys}
    command = mace_command(
        python, str(folder), folder / "train.xyz", folder / "test.xyz", energies=alone, seed=seed, **options
    )
    said = folder / "said.txt"
    with said.open("w") as output:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment)
    while process.poll() is None and cpu_seconds(process.pid) < 60 * minutes:
        used = cpu_seconds(process.pid)
        time.sleep(1)
    process.terminate()
    process.wait()
    epochs = [tuple(map(float, found)) for found in LINE.findall(said.read_text())]
    if not epochs:
        raise SystemExit(f"mace_run_train printed no errors; its last words:\n{said.read_text()[-2000:]}")
    _, energy, forces, stress = min(epochs, key=lambda epoch: epoch[3])
    return {"cpu_minutes": round(used / 60, 2), "energy": energy, "forces": forces, "stress": stress}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mace", required=True, help="Python interpreter with mace-torch")
    parser.add_argument("--minutes", type=float, default=1.0, help="CPU time of ours")
    parser.add_argument("--times", type=float, default=10.0, help="so much more for MACE")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    results = measuring.read(NAME)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = {
            "equishare": ours(arguments.minutes, arguments.seed, folder),
            "mace": mace(arguments.mace, arguments.times * arguments.minutes, arguments.seed, folder),
        }
    results[f"seed {arguments.seed}"] = {**rows, "machine": measuring.machine("equishare", "torch")}
    measuring.write(NAME, results)
    print("| | CPU minutes | energy, meV/atom | forces, meV/Å | stress, meV/Å^3 |\n| --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.3g}" for value in row.values()) + " |")


if __name__ == "__main__":
    main()
