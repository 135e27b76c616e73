"""A path-integral run of a molecule in i-PI: quantum nuclei as rings of 32 beads.

    python examples/engines/ipi_path_integral.py MODEL.safetensors START.xyz [--quick]

``--quick`` needs no model: it takes one of random weights, water, 4 beads and two steps.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import ase.io
from ase.build import molecule

from equishare.potential import ModelConfig, Potential, save
from equishare.simulate import ipi

INPUT = """<simulation verbosity="low">
  <output prefix="run"><properties stride="1" filename="out">
    [step, potential{{electronvolt}}, kinetic_cv{{electronvolt}}] </properties></output>
  <total_steps> {steps} </total_steps>
  <ffdirect name="equishare"><pes> custom </pes><pes_path> {driver} </pes_path>
    <parameters> {{template: {start}, model: {model}}} </parameters></ffdirect>
  <system>
    <initialize nbeads="{beads}"><file mode="ase"> {start} </file>
      <velocities mode="thermal" units="kelvin"> 300 </velocities></initialize>
    <forces><force forcefield="equishare"/></forces>
    <ensemble><temperature units="kelvin"> 300 </temperature></ensemble>
    <motion mode="dynamics"><dynamics mode="nvt"><timestep units="femtosecond"> 0.25 </timestep>
      <thermostat mode="pile_g"><tau units="femtosecond"> 25 </tau></thermostat></dynamics></motion>
  </system>
</simulation>
"""


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("start", nargs="?")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(argv)
    with TemporaryDirectory() as folder:
        model = arguments.model or Path(folder) / "model.safetensors"
        if arguments.model is None:
            save(Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0}), model)
        atoms = ase.io.read(arguments.start) if arguments.start else molecule("H2O")
        atoms.center(vacuum=10.0)
        ase.io.write(f"{folder}/start.xyz", atoms)
        steps, beads = (2, 4) if arguments.quick else (1000, 32)
        text = INPUT.format(steps=steps, beads=beads, driver=ipi.__file__, start="start.xyz", model=model.resolve())
        Path(folder, "input.xml").write_text(text)
        subprocess.run([Path(sys.executable).parent / "i-pi", "input.xml"], cwd=folder, check=True)
        print(Path(folder, "run.out").read_text())


if __name__ == "__main__":
    main()
