"""A molecule by the potential, in a box of rigid water by a classical force field: OpenMM's mixed systems.

    python examples/engines/openmm_mixed.py MODEL.safetensors [--quick]

``--quick`` needs no model: it takes one of random weights and two steps. The molecule is one of the waters here.
"""

import argparse
import sys

import openmm
from openmm import app, unit
from openmmml import MLPotential

from equishare.potential import ModelConfig, Potential
from equishare.simulate import EquishareCalculator
from equishare.simulate.openmm import openmm_force


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(argv)
    field = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    modeller.addSolvent(field, boxSize=openmm.Vec3(2, 2, 2) * unit.nanometer)
    classical = field.createSystem(modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.9 * unit.nanometer)
    molecule = [0, 1, 2]
    if arguments.model is None:
        random = EquishareCalculator(Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -2041.0}))
        classical.addForce(openmm_force(random, [8, 1, 1], particles=molecule, periodic=True))
        system = classical
    else:
        potential = MLPotential("equishare", modelPath=arguments.model)
        system = potential.createMixedSystem(modeller.topology, classical, molecule)
    thermostat = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.0005 * unit.picoseconds)
    simulation = app.Simulation(modeller.topology, system, thermostat)
    simulation.context.setPositions(modeller.positions)
    simulation.reporters.append(
        app.StateDataReporter(sys.stdout, 1 if arguments.quick else 100, step=True, potentialEnergy=True)
    )
    simulation.step(2 if arguments.quick else 10_000)


if __name__ == "__main__":
    main()
