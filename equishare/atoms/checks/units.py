r"""Are the numbers in eV and Å? Three measurements on the data, each with a value that physics knows.

- lengths: the distance to the nearest atom over the sum of the covalent radii, near 1 wherever atoms bond;
- forces: the stiffness $-\partial f/\partial d$ of covalent bonds over that of Badger's rule, about 1;
- energies: $\Delta E$ between similar frames over the work $-\tfrac12 (F_1 + F_2) \cdot \Delta r$ of their
  forces, which is 1; and their sum against isolated atoms, or against the all-electron energy of the atoms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from ase.units import Bohr, Hartree, kcal, kJ, mol
from jaxtyping import Float

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.measures import (
    BONDED,
    NONMETALS,
    all_electron_energy,
    energy_over_work,
    stiffness_over_badger,
)
from equishare.atoms.frame import Frame

__all__ = ["unit_findings"]

ENERGY_UNITS = {
    "kcal/mol": kcal / mol,
    "kJ/mol": kJ / mol,
    "Hartree": Hartree,
    "Rydberg": Hartree / 2,
    "meV": 1e-3,
}
NOBLE_GASES = (2, 10, 18, 36, 54, 86)

_STIFFNESS = (0.35, 2.8)  # over Badger's rule
# correlations of energy and work: of ten hot frames in eV one sample in ten has 0.7 by chance, and a slope below 0.4
_TRUSTED, _TRUSTED_OF_FEW, _FEW = 0.7, 0.9, 50


def unit_findings(
    frames: Sequence[Frame],
    ratios: Float[np.ndarray, " atoms"],
    e0: Mapping[str, float] | None = None,
) -> Iterator[DataFinding]:
    """Suspicions about the units of sound `frames`.

    Errors where energies and forces contradict each other, so that no potential fits both; else warnings.

    Args:
        frames: frames other than isolated atoms.
        ratios: Of all their atoms, the distance to the nearest over the sum of the covalent radii.
        e0: energies of the isolated atoms in eV, if there are any.
    """
    length_unit, finding = _length_unit(frames, ratios)
    if finding:
        yield finding
    stiffness = stiffness_over_badger(frames, length_unit)
    agreement = energy_over_work(frames, length_unit)
    if agreement and abs(agreement[1]) < (_TRUSTED if len(frames) >= _FEW else _TRUSTED_OF_FEW):
        agreement = None  # the frames are too far apart for the trapezoid
    if (stiffness and stiffness < 0) or (agreement and agreement[0] < 0):
        seen = "the stiffness of bonds is negative" if stiffness and stiffness < 0 else ""
        if agreement and agreement[0] < 0:
            seen += " and " * bool(seen) + f"energies change by {agreement[0]:.3g} times the work of the forces"
        yield DataFinding(
            "error",
            "forces-sign",
            f"the forces point uphill: {seen}",
            "forces are -dE/dr: multiply the column by -1 if it holds gradients",
        )
        return
    contradiction = agreement is not None and not 0.4 < agreement[0] < 2.5
    force_unit = 1.0
    if stiffness and not _STIFFNESS[0] < stiffness < _STIFFNESS[1]:
        name, force_unit = _nearest_unit(stiffness, _force_units())
        yield DataFinding(
            "error" if contradiction else "warning",
            "units-forces",
            f"the forces look like {name}: bonds between nonmetals are {stiffness:.3g} times as stiff as "
            "Badger's rule has it, in the median; 1 is usual",
            f"multiply them by {force_unit:.6g} to have eV/Å, if so",
        )
    slope = agreement[0] if agreement else None
    energy_finding = _energy_against_forces(slope, force_unit, stiffness is not None) if slope else None
    energy_finding = energy_finding or _energy_against_atoms(frames, ratios, e0)
    if energy_finding:
        yield energy_finding


def _force_units() -> dict[str, float]:
    units = {f"{name}/Å": value for name, value in ENERGY_UNITS.items()}
    return units | {"Hartree/Bohr": Hartree / Bohr, "Rydberg/Bohr": Hartree / 2 / Bohr}


def _nearest_unit(value: float, units: Mapping[str, float]) -> tuple[str, float]:
    return min(units.items(), key=lambda item: abs(math.log(value * item[1])))


def _length_unit(frames: Sequence[Frame], ratios: Float[np.ndarray, " atoms"]) -> tuple[float, DataFinding | None]:
    bonding = ratios[np.isfinite(ratios)]
    kinds = {frame.composition for frame in frames}
    if all(np.isin(kind.numbers, NOBLE_GASES).all() for kind in kinds) or not bonding.size:
        return 1.0, None
    low, middle = np.quantile(bonding, [0.05, 0.5])
    if low > 1.35 and 1.45 < middle < 2.4:
        name, unit = "Bohr", Bohr
    elif middle < 0.25:
        name, unit = "nm", 10.0
    elif 0.4 < middle < 0.68:
        name, unit = "Å multiplied by 0.529, as if they had been Bohr", 1.0 / Bohr
    else:
        return 1.0, None
    return unit, DataFinding(
        "warning",
        "units-positions",
        f"the positions look like {name}: the nearest atom is at {middle:.2f} times the sum of the covalent "
        "radii in the median; 1 is usual",
        f"multiply positions and cell by {unit:.6g} to have Å, if so",
    )


def _energy_against_forces(slope: float, force_unit: float, forces_known: bool) -> DataFinding | None:
    in_ev = slope / force_unit  # 1 if the energies are in eV
    if 0.4 < in_ev < 2.5:
        return None
    name, unit = _nearest_unit(in_ev, ENERGY_UNITS)
    message, advice = f"the energies look like {name}", f"multiply them by {unit:.6g} to have eV, if so"
    if not forces_known:
        other, force = min(_force_units().items(), key=lambda item: abs(math.log(slope / item[1])))
        if abs(math.log(slope / force)) < math.log(1.5):
            message += f", or the forces like {other}"
            advice += f", or the forces by {force:.6g} to have eV/Å"
    return DataFinding(
        "warning" if 0.4 < slope < 2.5 else "error",
        "units-energy",
        f"{message}: between similar frames the energy changes by {slope:.3g} times the work of the forces "
        + ("" if force_unit == 1.0 else f"in their unit, {in_ev:.3g} times that in eV ")
        + "(1 is right)",
        advice,
    )


def _energy_against_atoms(
    frames: Sequence[Frame], ratios: Float[np.ndarray, " atoms"], e0: Mapping[str, float] | None
) -> DataFinding | None:
    known = [(f.composition, f.energy) for f in frames if f.energy is not None and math.isfinite(f.energy)]
    if not known:
        return None
    kinds = {kind for kind, _ in known}
    if e0 and all(symbol in e0 for kind in kinds for symbol in kind.counts):
        rest = [(energy - kind.total(e0)) / kind.size for kind, energy in known]
        binding = -float(np.median(rest))
        covalent = all(np.isin(kind.numbers, NONMETALS).all() for kind in kinds)
        hartree = covalent and float(np.median(ratios)) < BONDED and 0.02 < binding < 0.36
        if -1.0 < binding < 15.0 and not hartree:
            return None
        return DataFinding(
            "warning",
            "binding-energy",
            f"against the isolated atoms the frames are bound by {binding:.3g} eV an atom"
            + (", which would be usual in Hartree" if hartree else "; 0.5 to 10 is usual"),
            "see that isolated atoms and frames come from the same method and are both in eV",
        )
    if max(int(kind.numbers.max()) for kind in kinds) < 3:
        return None
    whole = {kind: sum(map(all_electron_energy, kind.numbers)) for kind in kinds}
    ratio = float(
        np.median([energy / whole[kind] for kind, energy in known if whole[kind]])
    )  # dummies have no electrons
    for name in ("Hartree", "kcal/mol", "kJ/mol"):
        if abs(ratio * ENERGY_UNITS[name] - 1.0) < 0.05:
            return DataFinding(
                "warning",
                "units-energy",
                f"the energies look like {name}: all electrons of these atoms have that much",
                f"multiply them by {ENERGY_UNITS[name]:.6g} to have eV, if so",
            )
    return None
