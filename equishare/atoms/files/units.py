"""Units that files name, as multiples of eV and Å."""

from __future__ import annotations

from ase import units

from equishare.atoms.source import FrameReadError

__all__ = ["factor"]

_UNITS = {
    "ev": 1.0,
    "mev": 1e-3,
    "kcal": units.kcal,
    "kj": units.kJ,
    "mol": units.mol,
    "hartree": units.Hartree,
    "ha": units.Hartree,
    "eh": units.Hartree,
    "rydberg": units.Rydberg,
    "ry": units.Rydberg,
    "ang": 1.0,
    "angstrom": 1.0,
    "å": 1.0,
    "a": 1.0,
    "bohr": units.Bohr,
    "a0": units.Bohr,
    "nm": 10.0,
    "debye": units.Debye,
    "d": units.Debye,
    "e": 1.0,
    "gpa": units.GPa,
    "1": 1.0,
}


def factor(unit: str, file: str) -> float:
    """What a unit such as ``kcal/mol/Ang`` is in eV and Å.

    Raises:
        FrameReadError: a part of it is not known.

    >>> round(factor("Hartree/Bohr", "frames.npz"), 3)
    51.422
    """
    value = 1.0
    for n, part in enumerate(unit.replace(" ", "").split("/")):
        for piece in part.split("*"):
            base, _, power = piece.partition("^")
            if base.lower() not in _UNITS or not (power or "1").isdigit():
                raise FrameReadError(
                    f"{file}: the unit {unit!r} is not known; expected one such as eV, kcal/mol or Hartree/Bohr"
                )
            value *= _UNITS[base.lower()] ** ((-1 if n else 1) * int(power or 1))
    return value
