"""Potentials of other codes, fitted on the training cells by each code's own program."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from cpu_codes.in_lammps import Style

from equishare.simulate.lammps.wheels import find_wheels

HERE = Path(__file__).resolve().parent
POD = """species {element}
pbc 1 1 1
rin 1.0
rcut 5.0
bessel_polynomial_degree 4
inverse_polynomial_degree 8
onebody 1
twobody_number_radial_basis_functions {two}
threebody_number_radial_basis_functions {three}
threebody_angular_degree {angular}
fourbody_number_radial_basis_functions {four}
fourbody_angular_degree 3
fivebody_number_radial_basis_functions {five}
fivebody_angular_degree 2
"""
POD_SIZES = {
    "small": {"two": 6, "three": 4, "angular": 3, "four": 0, "five": 0},
    "medium": {"two": 8, "three": 6, "angular": 5, "four": 4, "five": 3},
}
POD_DATA = """file_format extxyz
file_extension xyz
path_to_training_data_set train
path_to_test_data_set train
basename_for_output_files fit
fitting_weight_energy 100.0
fitting_weight_force 1.0
fitting_regularization_parameter 1e-10
energy_force_calculation_for_training_data_set 0
energy_force_calculation_for_test_data_set 0
"""


def pod(element: str, train: Path, folder: Path, size: str) -> tuple[Style, float]:
    """Proper orthogonal descriptors (Nguyen and Rohskopf 2023) by LAMMPS's own `fitpod`: (style, CPU seconds of the fit)."""
    work = folder / f"pod_{element}_{size}"
    (work / "train").mkdir(parents=True)
    shutil.copy(train, work / "train")
    (work / "basis.pod").write_text(POD.format(element=element, **POD_SIZES[size]))
    (work / "data.pod").write_text(POD_DATA)
    (work / "in.fitpod").write_text("units metal\nfitpod basis.pod data.pod\n")
    wheels = find_wheels()
    program = [str(wheels.library.parent / "lmp"), "-in", "in.fitpod", "-log", "none"]
    seconds = _run(program, work, {"LD_LIBRARY_PATH": str(wheels.mpi)})[1]
    coefficients = next(work.glob("*coefficients.pod"))
    return Style(f"pair_style pod\npair_coeff * * {work}/basis.pod {coefficients} {element}"), seconds


def pace(element: str, train: Path, folder: Path, functions: int, *, python: Path, plugin: Path) -> tuple[Style, float]:
    """Linear ACE by pacemaker's library, in LAMMPS's own pair style, compiled as a plugin."""
    out = folder / f"{element}_{functions}.yace"
    command = [python, HERE / "fit_pace.py", train, out, "--functions", functions]
    seconds = json.loads(_run(command, folder)[0].splitlines()[-1])["fit_cpu_s"]
    return Style(f"plugin load {plugin}\npair_style pace\npair_coeff * * {out} {element}"), seconds


def uf3(element: str, train: Path, folder: Path, every: int, *, python: Path, cutoff: float) -> tuple[Style, float]:
    """Ultra-fast force field by its own package, on every so many training cells: its features take seconds a cell."""
    out = folder / f"{element}.uf3"
    command = [python, HERE / "fit_uf3.py", train, out, "--every", every, "--cutoff3", cutoff]
    found = json.loads(_run(command, folder)[0].splitlines()[-1])
    return Style(f"pair_style uf3 3\npair_coeff * * {out} {element}", found["shift"]), found["fit_cpu_s"]


def ace_jax(train: Path, folder: Path, degree: int, *, python: Path) -> tuple[Path, float]:
    """Linear ACE by ace-jax's command: (model file, CPU seconds of the fit)."""
    out = folder / f"ace_jax_{train.parent.name}_{degree}"
    command = [python.parent / "ace-jax", "fit", "--train", train, "--test", train, "--order", 3]
    command += ["--max-degree", degree, "--rcut", 5.0, "--e0", "prefit", "--out", out]
    seconds = _run(command, folder, {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"})[1]
    return out / "model.npz", seconds


def _run(command: list, folder: Path, environment: dict[str, str] | None = None) -> tuple[str, float]:
    """What a program prints, and its CPU seconds."""
    before = time.process_time() + sum(os.times()[2:4])
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=inherited | {"OMP_NUM_THREADS": "1"} | (environment or {}),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout, round(time.process_time() + sum(os.times()[2:4]) - before, 1)
