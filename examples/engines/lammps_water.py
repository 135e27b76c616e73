"""Water in LAMMPS, in two processes: writes an input and runs it.

    python examples/engines/lammps_water.py MODEL.safetensors [--quick]

``--quick`` needs no model: it takes one of random weights, and one process.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ase.build import molecule
from ase.io.lammpsdata import write_lammps_data

from equishare.potential import ModelConfig, Potential, save

INPUT = """
units       metal
read_data   water.data
pair_style  equishare
pair_coeff  * * {model} H O
velocity    all create 300 1
fix         1 all nvt temp 300 300 0.1
timestep    0.0005
thermo      10
run         {steps}
"""


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(argv)
    with TemporaryDirectory() as folder:
        model = arguments.model
        if model is None:
            model = Path(folder) / "model.safetensors"
            save(Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0}), model)
        box = molecule("H2O", vacuum=3.0, pbc=True).repeat(2)
        write_lammps_data(f"{folder}/water.data", box, specorder=["H", "O"], masses=True, units="metal")
        Path(folder, "in.lammps").write_text(INPUT.format(model=model.resolve(), steps=2 if arguments.quick else 1000))
        processes = "1" if arguments.quick else "2"
        command = [sys.executable, "-m", "equishare.cli", "lammps", "in.lammps", "-np", processes]
        subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
