"""The one table of properties: what a frame can be labelled with, and what a potential reads out or takes in.

A row drives everything that knows of a property by its name: the keys in files, the checks of labels, the graphs, the loss, the
evaluation, the columns of tables and reports, and the options at the prompt. A new property is one row here and, where a potential
is to learn it, one head in `equishare.potential.heads`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Role = Literal["output", "condition"]


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
        role: ``output``: predicted; ``condition``: given with the structure, and goes into the network.
        weight: Of its squared error in the loss, unless set.
        energy_unit: Errors count in units of the forces' RMS σ (eV and Å), as energies, forces and stress do.
        extensive: Grows with the structure: its error counts a power of the number of atoms.
        times_volume: Its error counts times the volume, as that of the stress does.
        derived: The energy's derivative, by which no head is needed.
        default: A condition's value where a frame says nothing.
        shown: (unit, factor) in which tables print errors; None for the unit itself.
    """

    name: str
    unit: str
    shape: tuple[int, ...] = ()
    irreps: str = "0e"
    per_atom: bool = False
    keys: tuple[str, ...] = ()
    rare_keys: tuple[str, ...] = ()
    role: Role = "output"
    weight: float = 0.1
    energy_unit: bool = False
    extensive: bool = True
    times_volume: bool = False
    derived: bool = False
    default: int | str | None = None
    shown: tuple[str, float] | None = None


PROPERTIES: dict[str, Property] = {
    row.name: row
    for row in (
        Property(
            name="energy",
            unit="eV",
            keys=("energy", "total_energy", "totenergy", "etot", "potential_energy"),
            rare_keys=("free_energy", "u0", "u", "e"),
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
            shown=("meV/Å^3", 1000.0),
        ),
        Property(
            name="dipole", unit="e·Å", shape=(3,), irreps="1o", keys=("dipole", "dipole_moment"), rare_keys=("mu",)
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
}


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
