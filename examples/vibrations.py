"""Vibrations of a molecule from the exact second derivatives of a potential, beside those from finite differences.

    python examples/vibrations.py runs/ethanol-1/model.safetensors [START]

START is any file ASE reads; without it, ethanol. The structure is relaxed first.
"""

import sys
import tempfile

import ase.io
import torch
from ase.build import molecule
from ase.optimize import BFGS
from ase.vibrations import Vibrations, VibrationsData

import equishare


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    atoms = ase.io.read(sys.argv[2], index=0) if len(sys.argv) > 2 else molecule("CH3CH2OH")
    atoms.calc = equishare.potential.load(sys.argv[1]).calculator(dtype=torch.float64)
    BFGS(atoms, logfile=None).run(fmax=1e-4, steps=500)
    exact = VibrationsData.from_2d(atoms, atoms.calc.get_hessian(atoms))
    with tempfile.TemporaryDirectory() as folder:
        finite = Vibrations(atoms, name=f"{folder}/vibrations", delta=0.005)
        finite.run()
        others = finite.get_frequencies()
    print(f"{'mode':>4} {'exact, 1/cm':>14} {'finite differences':>19}")
    for mode, (a, b) in enumerate(zip(exact.get_frequencies(), others, strict=True)):
        print(f"{mode:4d} {a.real - a.imag:14.2f} {b.real - b.imag:19.2f}")  # imaginary ones as negative
    print(f"zero-point energy {exact.get_zero_point_energy().real:.4f} eV")


if __name__ == "__main__":
    main()
