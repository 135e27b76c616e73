"""Vibrations of a molecule from the exact second derivatives of a potential, beside those from finite differences.

    python examples/vibrations.py runs/ethanol-1/model.safetensors [START] [--out FOLDER] [--quick]

START is any file ASE reads; without it, ethanol. The structure is relaxed first. ``--quick`` needs no model: it takes one of random
weights and water, to see that all runs.
"""

import argparse
import tempfile
from pathlib import Path

import ase.io
import numpy as np
import torch
from ase.build import molecule
from ase.optimize import BFGS
from ase.vibrations import Vibrations, VibrationsData
from matplotlib.figure import Figure

import equishare
from equishare.potential import ModelConfig, Potential


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="model file")
    parser.add_argument("start", nargs="?", help="structure, any file ASE reads")
    parser.add_argument("--quick", action="store_true", help="random weights and water")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the picture")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            potential = Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0})
        atoms = molecule("H2O")
    elif arguments.model is None:
        parser.error("give a model file, such as equishare train writes, or --quick")
    else:
        potential = equishare.potential.load(arguments.model)
        atoms = ase.io.read(arguments.start, index=0) if arguments.start else molecule("CH3CH2OH")
    atoms.calc = potential.calculator(dtype=torch.float64)
    BFGS(atoms, logfile=None).run(fmax=1e-4, steps=5 if arguments.quick else 500)
    exact = VibrationsData.from_2d(atoms, atoms.calc.get_hessian(atoms))
    with tempfile.TemporaryDirectory() as folder:
        finite = Vibrations(atoms, name=f"{folder}/vibrations", delta=0.005)
        finite.run()
        others = finite.get_frequencies()
    both = np.array([exact.get_frequencies(), others])
    signed = both.real - both.imag  # imaginary ones as negative
    print(f"{'mode':>4} {'exact, 1/cm':>14} {'finite differences':>19}")
    for mode, (a, b) in enumerate(signed.T):
        print(f"{mode:4d} {a:14.2f} {b:19.2f}")
    print(f"zero-point energy {exact.get_zero_point_energy().real:.4f} eV")
    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.vlines(signed[0], 0, 1, label="exact")
    axes.vlines(signed[1], -1, 0, color="tab:orange", label="finite differences")
    axes.set(xlabel="wave number, 1/cm", yticks=[])
    axes.legend()
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "vibrations.png", dpi=110)
    print(f"saved {arguments.out / 'vibrations.png'}")


if __name__ == "__main__":
    main()
