"""Vibrations of molecules and crystals, and elastic constants: second derivatives at a minimum."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.constraints import FixAtoms
from ase.vibrations import VibrationsData
from jaxtyping import Float

from equishare.errors import EquishareError
from equishare.simulate.ase_calculator import EquishareCalculator
from equishare.simulate.relax import relax

# (e Å)^2 / (Å^2 u) in km/mol: N_A / (12 eps0 c^2), what a normal mode's change of dipole absorbs
KM_MOL = (units._Nav * units._e**2 / (12 * units._eps0 * units._c**2 * units._amu)) / 1000
GPA = units.GPa
# how far the vectors of a relaxed cell may be off those of a lattice of higher symmetry
LATTICE = 1e-3


class VibrationError(EquishareError):
    """There are no vibrations to be had as asked."""


@dataclass(frozen=True)
class Modes:
    """Normal modes of a molecule, or of the atoms of it that no constraint holds.

    Attributes:
        wave_numbers: In 1/cm, ascending; imaginary ones as negative numbers.
        intensities: Infrared, in km/mol; None where the model reads out no dipole.
        displacements: ``[modes, atoms, 3]`` in Å sqrt(u), normalised to one with the masses.
        zero_point_energy: In eV.
    """

    wave_numbers: Float[np.ndarray, "modes"]
    intensities: Float[np.ndarray, "modes"] | None
    displacements: Float[np.ndarray, "modes atoms 3"]
    zero_point_energy: float


def normal_modes(atoms: Atoms) -> Modes:
    r"""Harmonic frequencies from the exact Hessian, infrared intensities from the derivative of the learnt dipole.

    .. math:: I_k = \frac{N_A}{12 \varepsilon_0 c^2} \Big| \sum_i \frac{\partial \mu}{\partial r_i} \frac{e_{ik}}{\sqrt{m_i}} \Big|^2

    Args:
        atoms: A molecule at a minimum, with an `EquishareCalculator`; take float64. Atoms that `FixAtoms` holds do not vibrate.

    Raises:
        VibrationError: if a force is left that is larger than 0.01 eV/Å, or for other constraints.
    """
    free = _free(atoms)
    largest = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    if largest > 0.01:
        raise VibrationError(
            f"vibrations are those about a minimum, and a force of {largest:.3f} eV/Å is left; relax the structure first"
        )
    calculator = atoms.calc
    rows = (3 * free[:, None] + np.arange(3)).ravel()
    data = VibrationsData.from_2d(atoms, calculator.get_hessian(atoms)[np.ix_(rows, rows)], free.tolist())
    energies, vectors = data.get_energies_and_modes(all_atoms=True)
    wave = np.asarray(energies) / units.invcm
    mass_weighted = vectors * np.sqrt(atoms.get_masses())[:, None]
    intensities = None
    if "dipole" in calculator.implemented_properties:
        slope = dipole_derivative(atoms)
        change = np.einsum("aib,kib->ka", slope, vectors)
        intensities = KM_MOL * np.square(change).sum(axis=1)
    return Modes(wave.real - wave.imag, intensities, mass_weighted, float(data.get_zero_point_energy().real))


def _free(atoms: Atoms) -> np.ndarray:
    """Numbers of the atoms that vibrate: those that are not held."""
    others = {type(each).__name__ for each in atoms.constraints if not isinstance(each, FixAtoms)}
    if others:
        raise VibrationError(
            f"vibrations are those of atoms that are free or held, got {', '.join(sorted(others))}; remove the constraint"
        )
    held = np.array([i for each in atoms.constraints for i in each.get_indices()], dtype=int)
    free = np.setdiff1d(np.arange(len(atoms)), held)
    if not len(free):
        raise VibrationError("the constraints of the structure hold every atom: nothing vibrates; release some")
    return free


def _check_unheld(atoms: Atoms) -> None:
    if atoms.constraints:
        raise VibrationError(
            "vibrations and elastic constants of a crystal are those of free atoms, and some are held; remove the constraints"
        )


def dipole_derivative(atoms: Atoms, step: float = 1e-3) -> Float[np.ndarray, "3 atoms 3"]:
    """Change of the dipole with the positions in e, by central differences."""
    found = np.zeros((3, len(atoms), 3))
    for i in range(len(atoms)):
        for axis in range(3):
            ends = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[i, axis] += sign * step
                ends.append(atoms.calc.get_property("dipole", moved))
            found[:, i, axis] = (ends[0] - ends[1]) / (2 * step)
    return found


@dataclass(frozen=True)
class Bands:
    """Phonons of a crystal.

    Attributes:
        distances: Along the path, one array a segment.
        wave_numbers: ``[points, branches]`` of each segment, in 1/cm; imaginary ones negative.
        labels: Name of each segment's ends.
        density: (wave numbers, density of states).
    """

    distances: list[np.ndarray]
    wave_numbers: list[np.ndarray]
    labels: list[tuple[str, str]]
    density: tuple[np.ndarray, np.ndarray]


def phonons(atoms: Atoms, supercell: tuple[int, int, int], points: int = 60, mesh: int = 16) -> Bands:
    """Phonon bands along the path through the Brillouin zone that ASE knows for the lattice, by `phonopy` from displaced supercells.

    Args:
        atoms: Primitive or other cell at a minimum, with a calculator.
        supercell: Repetitions; atoms must be farther from their images than the interaction reaches, twice the cutoff for two layers.
        points: Of each segment of the path.
        mesh: Points along each vector for the density of states.

    Raises:
        VibrationError: if phonopy is not installed, the structure is no crystal, some of its atoms are held, or the supercell holds one atom.
    """
    if not atoms.pbc.all():
        raise VibrationError(f"phonon bands are those of a crystal, and pbc is {atoms.pbc.tolist()}")
    _check_unheld(atoms)
    if len(atoms) * np.prod(supercell) == 1:
        raise VibrationError(
            "an atom alone in its supercell moves with all of its images: no force; take a larger supercell, such as 3"
        )
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError as error:
        raise VibrationError("phonon bands need phonopy: pip install 'equishare[phonons]'") from error
    cell = PhonopyAtoms(symbols=atoms.get_chemical_symbols(), cell=atoms.cell.array, positions=atoms.positions)
    # the path is that of this cell: phonopy 4 would reduce it to a primitive one, whose points are others
    phonon: Any = Phonopy(cell, np.diag(supercell), primitive_matrix="P", log_level=0)
    phonon.generate_displacements(distance=0.01)
    forces = []
    for displaced in phonon.supercells_with_displacements:
        frame = Atoms(displaced.symbols, positions=displaced.positions, cell=displaced.cell, pbc=True, info=atoms.info)
        forces.append(atoms.calc.get_property("forces", frame))
    phonon.forces = np.array(forces)
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    to_invcm = 1e12 / (100 * units._c)
    path = atoms.cell.bandpath(eps=LATTICE)
    segments, labels = [], []
    for part in path.path.split(","):
        names = _points(part, path.special_points)
        for start, stop in pairwise(names):
            ends = path.special_points[start], path.special_points[stop]
            segments.append(np.linspace(*ends, points))
            labels.append((start, stop))
    phonon.run_band_structure(segments)
    bands = phonon.get_band_structure_dict()
    phonon.run_mesh([mesh] * 3)
    phonon.run_total_dos()
    states = phonon.get_total_dos_dict()
    return Bands(
        [np.asarray(each) for each in bands["distances"]],
        [np.asarray(each) * to_invcm for each in bands["frequencies"]],
        labels,
        (np.asarray(states["frequency_points"]) * to_invcm, np.asarray(states["total_dos"]) / to_invcm),
    )


def _points(part: str, known: dict[str, Any]) -> list[str]:
    """Names of a path such as GX1K."""
    names: list[str] = []
    while part:
        name = max((each for each in known if part.startswith(each)), key=len)
        names.append(name)
        part = part[len(name) :]
    return names


@dataclass(frozen=True)
class Elasticity:
    """Elastic constants in GPa.

    Attributes:
        constants: ``[6, 6]`` in Voigt's order xx, yy, zz, yz, xz, xy.
        bulk: Hill's mean of Voigt's and Reuss's bulk modulus.
        shear: The same of the shear modulus.
    """

    constants: Float[np.ndarray, "6 6"]
    bulk: float
    shear: float

    @classmethod
    def of(cls, constants: Float[np.ndarray, "6 6"]) -> "Elasticity":
        """With the means over directions (Hill 1952)."""
        c, s = constants, np.linalg.inv(constants)
        diagonal, off = c[0, 0] + c[1, 1] + c[2, 2], c[0, 1] + c[0, 2] + c[1, 2]
        soft, mixed = s[0, 0] + s[1, 1] + s[2, 2], s[0, 1] + s[0, 2] + s[1, 2]
        bulk = (diagonal + 2 * off) / 9, 1 / (soft + 2 * mixed)
        voigt = (diagonal - off + 3 * (c[3, 3] + c[4, 4] + c[5, 5])) / 15
        reuss = 15 / (4 * soft - 4 * mixed + 3 * (s[3, 3] + s[4, 4] + s[5, 5]))
        return cls(constants, float(np.mean(bulk)), float(voigt + reuss) / 2)


def elastic_constants(atoms: Atoms, strain: float = 5e-3, fmax: float = 1e-3) -> Elasticity:
    """Elastic constants: stresses of strained cells, whose atoms have relaxed, by central differences.

    Args:
        atoms: A crystal at a minimum, with a calculator that gives stress.
        strain: Of each of the six strains, either way.
        fmax: Force in eV/Å up to which positions relax.

    Raises:
        VibrationError: if the structure is no crystal, some of its atoms are held, or positions do not relax.
    """
    if not atoms.pbc.all():
        raise VibrationError(f"elastic constants are those of a crystal, and pbc is {atoms.pbc.tolist()}")
    _check_unheld(atoms)
    constants = np.zeros((6, 6))
    for k, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        stresses = []
        for sign in (1, -1):
            deformation = np.eye(3)
            deformation[a, b] += sign * strain / 2
            deformation[b, a] += sign * strain / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
            strained.calc = atoms.calc
            relaxed = relax(strained, fmax=fmax)
            if not relaxed.converged:
                raise VibrationError(
                    f"the positions in a strained cell did not relax: {relaxed.rows[-1].max_force:.3g} eV/Å are left"
                )
            stresses.append(relaxed.atoms.get_stress())
        constants[:, k] = (stresses[0] - stresses[1]) / (2 * strain) / GPA
    return Elasticity.of((constants + constants.T) / 2)


def minimum(atoms: Atoms, calculator: EquishareCalculator, cell: bool = False) -> Atoms:
    """The structure at a minimum, tight enough for second derivatives.

    Raises:
        VibrationError: if it does not relax, or atoms of a crystal are held.
    """
    if cell:
        _check_unheld(atoms)
    start = atoms.copy()
    start.calc = calculator
    found = relax(start, fmax=1e-4, steps=1000, cell=cell, smax=1e-5)
    if not found.converged and found.rows[-1].max_force > 5e-3:
        raise VibrationError(
            f"the structure did not relax: after {found.rows[-1].step} steps a force of {found.rows[-1].max_force:.3g} eV/Å is left"
        )
    return found.atoms
