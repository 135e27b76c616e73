"""What goes wrong with LAMMPS."""

from equishare.errors import EquishareError


class LAMMPSError(EquishareError):
    """LAMMPS, MPI or a compiler is missing, or an input cannot be run as asked."""
