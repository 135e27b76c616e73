"""Are the stresses in eV/Å^3, with ASE's sign, and in its order?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ase.units import Bohr, GPa, Hartree, kcal, mol

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.strain_work import (
    ORDERS,
    StressMeasure,
    stress_over_pair_terms,
    stress_over_strain_work,
)
from equishare.atoms.frame import Frame

__all__ = ["check_stress"]

_UNITS = {
    "GPa": GPa,
    "kbar": GPa / 10,
    "MPa": GPa / 1000,
    "Hartree/Bohr^3": Hartree / Bohr**3,
    "Rydberg/Bohr^3": Hartree / 2 / Bohr**3,
    "kcal/mol/Å^3": kcal / mol,
}
_USUAL = next(iter(ORDERS))
_SURE = 0.8  # correlation from which a contradiction is an error
_UNSURE = 0.6
_RIGHT = 2.2  # a factor up to this, either way, may be what the measurement makes of it


def check_stress(frames: Sequence[Frame], name: str) -> Iterator[DataFinding]:
    """Sign, unit and order of the stresses of a part, judged by energies of frames with different cells, or by a fit of pair terms."""
    measures = [m for m in (stress_over_strain_work(frames), stress_over_pair_terms(frames)) if m is not None]
    measure = max(measures, key=lambda m: m.correlation, default=None)
    if measure is None or measure.correlation < _UNSURE:
        return
    labelled = [f for f in frames if f.has("stress")]
    virial = any("virial" in f.keys.get("stress", "").lower() for f in labelled)
    what = "virials" if virial else "stresses"
    unit, factor = _unit(measure, virial)
    said = []
    if factor < 0:
        said.append("have the opposite sign")
    if unit:
        said.append(f"look like {unit}")
    if measure.order != _USUAL:
        said.append(f"look like the order {measure.order}")
    if not said:
        return
    advice = []
    if factor != 1.0:
        advice.append(
            f"multiply them by {factor:.6g} to have {'eV, minus the volume times the stress' if virial else 'eV/Å^3 in the sign of ASE'}"
        )
    if measure.order != _USUAL:
        advice.append(f"put them into the order {_USUAL}")
    yield DataFinding(
        "error" if measure.correlation > _SURE else "warning",
        "units-stress",
        f"{name}: the {what} {', '.join(said[:-1])}{' and ' * (len(said) > 1)}{said[-1]}: {_evidence(measure)}",
        " and ".join(advice) + ", if so",
        tuple(f.name for f in labelled),
    )


def _evidence(measure: StressMeasure) -> str:
    if measure.by_energy:
        seen = f"between frames of different cells the energy, less the work of the forces, changes by {measure.factor:.3g} times their work"
    else:
        seen = f"pair terms fitted to the forces have {measure.factor:.3g} times as much"
    return f"{seen} (1 is right; correlation {measure.correlation:.2f})"


def _unit(measure: StressMeasure, virial: bool) -> tuple[str, float]:
    """Name of the unit, empty for the right one, and what to multiply by."""
    size, sign = abs(measure.factor), math.copysign(1.0, measure.factor)
    if 1.0 / _RIGHT < size < _RIGHT:
        return "", sign
    units = dict(_UNITS) if not virial else {"kcal/mol": kcal / mol, "Hartree": Hartree, "Rydberg": Hartree / 2}
    if not virial:
        units["eV, a virial that is not divided by the volume"] = 1.0 / measure.volume
    apart = {name: abs(math.log(size / value)) for name, value in units.items()}
    best, *others = sorted(apart, key=apart.__getitem__)
    if apart[best] > math.log(_RIGHT):
        return f"an unknown unit, {1 / size:.3g} times too large", sign * size
    near = [name for name in others if apart[name] < apart[best] + 0.3]
    return " or ".join([best, *near]), sign * units[best]
