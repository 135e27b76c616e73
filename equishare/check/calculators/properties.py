"""What a calculator may give beside energy, forces and stress, and how each moves with the structure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True)
class Kind:
    """How a property transforms.

    Attributes:
        rank: 0 a number, 1 a vector, 2 a matrix, of Cartesian axes.
        per_atom: one value an atom.
        pseudo: changes sign under reflections in addition.
        extensive: of a structure: adds up over copies.
        unit: of its values.
        tolerance: violations below it are too small to matter.
    """

    rank: int = 0
    per_atom: bool = False
    pseudo: bool = False
    extensive: bool = False
    unit: str = ""
    tolerance: float = 1e-5


KINDS: Mapping[str, Kind] = {
    "energy at zero smearing": Kind(extensive=True, unit="eV"),
    "energies": Kind(per_atom=True, unit="eV"),
    "charges": Kind(per_atom=True, unit="e"),
    "magmom": Kind(extensive=True, unit="μB"),
    "magmoms": Kind(per_atom=True, unit="μB"),
    "dipole": Kind(1, extensive=True, unit="e·Å"),
    "heat_flux": Kind(1, unit="eV/(Å²·√(u·Å²/eV))"),
    "stresses": Kind(2, per_atom=True, unit="eV/Å³"),
    "polarizability": Kind(2, extensive=True, unit="e·Å²/V"),
    "quadrupole": Kind(2, extensive=True, unit="e·Å²"),
    "dispersion_energy": Kind(extensive=True, unit="eV"),
}
"""Properties by ASE's names (`implemented_properties`) and the usual ones of others."""

_UNCERTAIN = ("uncertainty", "std", "stddev", "variance")
"""Words in the names of uncertainties: one number a structure or an atom, which no rotation changes."""

Further = dict[str, Float[ndarray, "..."]]


def kind_of(name: str, shape: tuple[int, ...], atoms: int) -> Kind | None:
    """Say how a property transforms, by its name and shape; None where that is not known.

    Example:
        >>> kind_of("forces_uncertainty", (5,), 5).unit, kind_of("embedding", (5, 64), 5)
        ('eV/Å', None)
    """
    kind = KINDS.get(name)
    if kind is None and any(word in name.lower().split("_") for word in _UNCERTAIN) and shape in ((), (1,), (atoms,)):
        unit = {"energy": "eV", "forces": "eV/Å"}.get(name.partition("_")[0], "")
        kind = Kind(per_atom=shape == (atoms,) and atoms > 1, unit="" if "variance" in name else unit)
    if kind is None:
        return None
    expected = ((atoms,) if kind.per_atom else ()) + (3,) * kind.rank
    if name == "magmoms" and shape == (atoms, 3):
        return Kind(1, per_atom=True, pseudo=True, unit="μB")
    return kind if shape in (expected, expected[: len(expected) - kind.rank] + (6,) * (kind.rank == 2)) else None


def as_array(value: object, kind: Kind) -> Float[ndarray, "..."]:
    """Return a property's numbers, symmetric matrices as 3x3."""
    array = np.asarray(value, dtype=np.float64)
    return voigt_6_to_full_3x3_stress(array) if kind.rank == 2 and array.shape[-1] == 6 else array


@dataclass(frozen=True)
class Change:
    """What was done to a structure.

    Attributes:
        R: it was turned by this orthogonal matrix.
        order: its atoms are these of the old ones.
        copies: there are so many of it now.
    """

    R: Float[ndarray, "3 3"] | None = None
    order: ndarray | None = None
    copies: int = 1

    def apply(self, value: Float[ndarray, "..."], kind: Kind) -> Float[ndarray, "..."]:
        """Return what a property must be after the change, but for a dipole's shift (see `conservation`)."""
        if self.R is not None and kind.rank:
            for axis in range(value.ndim - kind.rank, value.ndim):
                value = np.moveaxis(np.tensordot(value, self.R, axes=(axis, 1)), -1, axis)
        if self.R is not None and kind.pseudo:
            value = value * np.sign(np.linalg.det(self.R))
        if self.order is not None and kind.per_atom:
            value = value[self.order]
        if self.copies > 1 and kind.per_atom:
            value = np.concatenate([value] * self.copies)
        return value * self.copies if kind.extensive and not kind.per_atom else value


FORCES = Kind(1, per_atom=True, unit="eV/Å")
STRESS = Kind(2, unit="eV/Å³")
