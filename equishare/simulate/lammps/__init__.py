"""LAMMPS: a pair style that asks this package for energies and forces, in any number of processes."""

from equishare.simulate.lammps.errors import LAMMPSError

__all__ = ["LAMMPSError"]
