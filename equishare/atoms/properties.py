"""The one table of properties: what a frame can be labelled with, and what a potential reads out or takes in.

A row drives everything that knows of a property by its name: the keys in files, the checks of labels, the graphs, the loss, the
evaluation, the columns of tables and reports, and the options at the prompt. A new property is one row here and, where a potential
is to learn it, one head in `equishare.potential.heads`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress

from equishare.errors import EquishareError

__all__ = ["PROPERTIES", "LabelError", "Property", "conditions", "outputs"]

Role = Literal["output", "condition"]


class LabelError(EquishareError):
    """A label is absent under the name given, ambiguous, or has the wrong shape."""


_MOST = 10_000  # no structure has a larger charge or spin


@dataclass(frozen=True)
class Property:
    r"""One quantity of a structure or of its atoms.

    Attributes:
        name: In code, model files and predictions.
        unit: Of its values; empty for a pure number.
        shape: Of one value, in Cartesian components: ``()`` a number, ``(3,)`` a vector, ``(3, 3)`` a symmetric matrix.
        irreps: What O(3) makes of a value, in e3nn's names.
        per_atom: One value an atom instead of one a structure.
        keys: Names in files that say what they are.
        rare_keys: Names in files that are taken only where none of `keys` is there.
        force_keys: Names in files that are taken, where they differ a little from `keys`, because the forces derive from them.
        role: ``output``: predicted; ``condition``: given with the structure, and goes into the network.
        weight: Of its squared error in the loss, unless set.
        energy_unit: Errors count in units of the forces' RMS σ (eV and Å), as energies, forces and stress do.
        extensive: Grows with the structure: its error counts a power of the number of atoms.
        times_volume: Its error counts times the volume, as that of the stress does.
        derived: The energy's derivative, by which no head is needed.
        periodic: Only crystals have it; False: only molecules; None: every structure.
        default: A condition's value where a frame says nothing.
        none_in_e0: E0 is the energy of an atom with the default of this condition.
        shown: (unit, factor) in which tables print errors; None for the unit itself.
    """

    name: str
    unit: str
    shape: tuple[int, ...] = ()
    irreps: str = "0e"
    per_atom: bool = False
    keys: tuple[str, ...] = ()
    rare_keys: tuple[str, ...] = ()
    force_keys: tuple[str, ...] = ()
    role: Role = "output"
    weight: float = 0.1
    energy_unit: bool = False
    extensive: bool = True
    times_volume: bool = False
    derived: bool = False
    periodic: bool | None = None
    default: int | str | None = None
    none_in_e0: bool = False
    shown: tuple[str, float] | None = None

    @property
    def expected(self) -> str:
        """What a value in a file must be, in words.

        >>> PROPERTIES["stress"].expected
        'shape (3, 3), 9 or 6 (xx, yy, zz, yz, xz, xy)'
        """
        if isinstance(self.default, str):
            return "a name"
        if self.default is not None:
            return "a whole number" + " from 1" * (self.default > 0)
        if self.per_atom:
            return f"shape (atoms{''.join(f', {n}' for n in self.shape)})"
        if self.shape == (3, 3):
            return "shape (3, 3), 9 or 6 (xx, yy, zz, yz, xz, xy)"
        return f"{prod(self.shape)} numbers" if self.shape else "one number"

    def value(self, given: Any, n_atoms: int) -> Any:
        """A value in its one form: a float or an array of float64; of a condition, an integer or a name.

        Symmetric matrices are taken in full or as six numbers in the order of Voigt.

        Raises:
            LabelError: it has none of the forms that are `expected`.

        >>> PROPERTIES["dipole"].value([[1, 2, 3]], n_atoms=5), PROPERTIES["charge"].value(-1.0, n_atoms=5)
        (array([1., 2., 3.]), -1)
        """
        if isinstance(self.default, str):
            return str(given)
        array = np.asarray(given)
        wanted = (n_atoms, *self.shape) if self.per_atom else self.shape
        if array.dtype.kind in "fiu":
            array = array.astype(np.float64)
            if self.default is not None:
                number = float(array.item()) if array.size == 1 else math.nan
                if number.is_integer() and abs(number) <= _MOST and (number > 0 or self.default == 0):
                    return int(number)
            elif not wanted and array.size == 1:
                return float(array.item())
            elif self.shape == (3, 3) and not self.per_atom and array.shape in {(3, 3), (9,), (6,)}:
                matrix = voigt_6_to_full_3x3_stress(array) if array.size == 6 else array.reshape(3, 3)
                return 0.5 * (matrix + matrix.T)
            elif (
                array.shape == wanted
                or (array.size == prod(wanted) and array.size in array.shape)
                or (self.per_atom and not self.shape and array.shape == (n_atoms, 1))
            ):
                return array.reshape(wanted)
        got = f"shape {array.shape}" if array.dtype.kind in "fiu" and array.size != 1 else f"{given!r:.60}"
        raise LabelError(f"expected {self.expected} for the {self.name}, got {got}")


_ROWS = (
    Property(
        name="energy",
        unit="eV",
        keys=("energy", "total_energy", "totenergy", "etot", "potential_energy"),
        rare_keys=("free_energy", "u0", "u", "e"),
        force_keys=("free_energy",),
        weight=1.0,
        energy_unit=True,
        shown=("meV", 1000.0),
    ),
    Property(
        name="forces",
        unit="eV/Å",
        shape=(3,),
        irreps="1o",
        per_atom=True,
        keys=("forces", "force"),
        rare_keys=("f",),
        weight=1.0,
        energy_unit=True,
        extensive=False,
        derived=True,
        shown=("meV/Å", 1000.0),
    ),
    Property(
        name="stress",
        unit="eV/Å^3",
        shape=(3, 3),
        irreps="0e + 2e",
        keys=("stress", "virial", "virials"),
        energy_unit=True,
        times_volume=True,
        derived=True,
        periodic=True,
        shown=("meV/Å^3", 1000.0),
    ),
    Property(
        name="dipole",
        unit="e·Å",
        shape=(3,),
        irreps="1o",
        keys=("dipole", "dipole_moment"),
        rare_keys=("mu",),
        periodic=False,
    ),
    Property(
        name="polarizability",
        unit="e·Å²/V",
        shape=(3, 3),
        irreps="0e + 2e",
        keys=("polarizability", "polarisability"),
        periodic=False,
    ),
    Property(
        name="charges",
        unit="e",
        per_atom=True,
        keys=("charges", "partial_charges", "mulliken_charges", "hirshfeld_charges"),
        extensive=False,
    ),
    Property(
        name="charge",
        unit="e",
        keys=("charge", "total_charge", "net_charge"),
        role="condition",
        extensive=False,
        default=0,
        none_in_e0=True,
    ),
    Property(
        name="spin",
        unit="",
        keys=("spin", "multiplicity", "spin_multiplicity"),
        role="condition",
        extensive=False,
        default=1,
    ),
    Property(
        name="method",
        unit="",
        keys=("method", "level_of_theory"),
        role="condition",
        extensive=False,
        default="",
    ),
)
PROPERTIES: Mapping[str, Property] = MappingProxyType({row.name: row for row in _ROWS})


def outputs() -> Iterator[Property]:
    """Rows that are predicted, in the table's order.

    >>> [row.name for row in outputs()][:3]
    ['energy', 'forces', 'stress']
    """
    return (row for row in PROPERTIES.values() if row.role == "output")


def conditions() -> Iterator[Property]:
    """Rows that go into the network.

    >>> [row.name for row in conditions()]
    ['charge', 'spin', 'method']
    """
    return (row for row in PROPERTIES.values() if row.role == "condition")
