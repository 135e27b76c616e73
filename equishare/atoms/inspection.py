"""A look at the data before training: what there is, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from equishare.atoms.checks.across import check_across
from equishare.atoms.checks.charges import check_charges
from equishare.atoms.checks.conditions import check_conditions
from equishare.atoms.checks.degenerate import check_degenerate
from equishare.atoms.checks.e0 import check_reference_energies
from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.checks.forces import check_energies, check_forces
from equishare.atoms.checks.geometry import check_geometry
from equishare.atoms.checks.labels import check_labels, check_reading
from equishare.atoms.checks.part import Part
from equishare.atoms.checks.stress import check_stress
from equishare.atoms.checks.units import unit_findings
from equishare.atoms.frame import Frame, stacked
from equishare.atoms.properties import conditions, outputs
from equishare.errors import EquishareError

__all__ = ["DataFinding", "Inspection", "InspectionError", "inspect"]

_GRAVITY = ("error", "warning", "info")


class InspectionError(EquishareError):
    """The data have errors; the message lists them with what to do."""


@dataclass(frozen=True)
class Inspection:
    """Findings, gravest first, and a summary of plain numbers (eV, Å, eV/Å)."""

    findings: tuple[DataFinding, ...]
    summary: dict[str, Any]

    @property
    def errors(self) -> tuple[DataFinding, ...]:
        """What stops training."""
        return tuple(f for f in self.findings if f.level == "error")

    @property
    def warnings(self) -> tuple[DataFinding, ...]:
        """What training goes on with."""
        return tuple(f for f in self.findings if f.level == "warning")

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def raise_if_errors(self) -> None:
        """Stop where the data cannot be trained on.

        Raises:
            InspectionError: there is an error among the findings.
        """
        if self.errors:
            lines = [f"- {f.message}{_where(f)}. {f.advice}" for f in self.errors]
            raise InspectionError("the data cannot be trained on:\n" + "\n".join(lines))

    def to_dict(self) -> dict[str, Any]:
        """Everything in plain types, for JSON."""
        return {"ok": self.ok, "summary": self.summary, "findings": [f.to_dict() for f in self.findings]}


def _where(finding: DataFinding) -> str:
    more = len(finding.frames) - 3
    return f" ({', '.join(finding.frames[:3])}{f' and {more} more' if more > 0 else ''})" * bool(finding.frames)


def inspect(
    train: Sequence[Frame],
    valid: Sequence[Frame] | None = None,
    test: Sequence[Frame] | None = None,
    *,
    cutoff: float = 5.0,
    used: Collection[str] = (),
) -> Inspection:
    """Check frames, isolated atoms among them, before a potential is fitted to them.

    Args:
        train: frames to fit; alone, they are checked as one set.
        valid: frames to choose by, if they are given apart.
        test: frames to judge by, if they are given apart.
        cutoff: in Å; atoms without a neighbour within it are named.
        used: Conditions that the potential is told, such as ``charge``.

    >>> from equishare.atoms import read_frames
    >>> inspection = inspect(read_frames("ethanol_test"))
    >>> inspection.ok, inspection.summary["parts"]["train"]["frames"]
    (True, 252)
    """
    given = [("train", train), ("valid", valid), ("test", test)]
    parts = [Part.of(name, frames, cutoff) for name, frames in given if frames is not None]
    e0 = {
        next(iter(frame.composition.counts)): frame.energy
        for part in parts
        for frame in part.isolated
        if frame.energy is not None and np.isfinite(frame.energy)
    }
    findings: list[DataFinding] = []
    for part in parts:
        findings += check_geometry(part)
        findings += check_labels(part)
        findings += check_reading(part)
        findings += check_degenerate(part)
        findings += check_conditions(part, used)
        findings += check_charges(part)
        if len(part.sound):
            findings += _check_numbers(part, e0, {f.code for f in findings})
    findings += check_reference_energies(parts[0], e0)
    findings += check_across(parts)
    if len(parts) == 1:
        findings = [replace(f, message=f.message.removeprefix("train: ")) for f in findings]
    findings.sort(key=lambda f: _GRAVITY.index(f.level))
    summary = {"cutoff": cutoff, "e0": e0, "parts": {part.name: _summary(part) for part in parts}}
    return Inspection(tuple(findings), summary)


def _check_numbers(part: Part, e0: dict[str, float], known: set[str]) -> Iterator[DataFinding]:
    """Units, signs and outliers, as far as no graver matter hides them."""
    found = list(unit_findings(part.sound_frames, part.ratios, e0))
    yield from (replace(f, message=f"{part.name}: {f.message}") for f in found)
    codes = known | {f.code for f in found}
    if not codes & {"units-forces", "units-positions"}:
        yield from check_forces(part)
        yield from check_energies(part)
    if not codes & {"units-forces", "units-positions", "units-energy", "forces-sign", "constant-energy", "zero-forces"}:
        yield from check_stress(part.sound_frames, part.name)


def _range(values: Sequence[float] | np.ndarray) -> dict[str, float] | None:
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    if not array.size:
        return None
    return {"min": float(array.min()), "median": float(np.median(array)), "max": float(array.max())}


def _summary(part: Part) -> dict[str, Any]:
    frames = part.frames
    species: Counter[str] = Counter()
    compositions = Counter(frame.composition for frame in frames)
    for composition, times in compositions.items():
        species.update({symbol: times * count for symbol, count in composition.counts.items()})
    norms = np.concatenate([np.empty(0), *(np.linalg.norm(each, axis=1) for _, each in stacked(frames, "forces"))])
    norms = norms[np.isfinite(norms)]
    periodic = [f for f in frames if all(f.pbc)]
    return {
        "files": sorted({f.file for f in (*frames, *part.isolated)}),
        "frames": len(frames),
        "isolated_atoms": len(part.isolated),
        "species": dict(species.most_common()),
        "compositions": len({composition.formula for composition in compositions}),
        "atoms_per_frame": _range([f.n_atoms for f in frames]),
        "periodic_frames": sum(any(f.pbc) for f in frames),
        "labels": {row.name: sum(f.has(row.name) for f in frames) for row in outputs()},
        "conditions": {
            row.name: dict(Counter(f.conditions[row.name] for f in frames if row.name in f.conditions).most_common())
            for row in conditions()
        },
        "energy_per_atom": _range([f.energy / f.n_atoms for f in frames if f.energy is not None and f.n_atoms]),
        "force_norm": _range(norms),
        # of the components, as the errors of a potential are given
        "force_rms": float(np.sqrt(np.mean(norms**2) / 3.0)) if norms.size else None,
        "nearest_distance": _range(part.nearest),
        "volume_per_atom": _range([abs(np.linalg.det(f.cell)) / f.n_atoms for f in periodic]),
    }
