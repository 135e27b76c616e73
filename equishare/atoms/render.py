"""An inspection as text for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from equishare.atoms.checks.findings import DataFinding
from equishare.atoms.inspection import Inspection
from equishare.atoms.properties import outputs
from equishare.narrow import FittingTable

__all__ = ["render"]

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_SHOWN = 5  # names of frames that are listed


def render(inspection: Inspection) -> RenderableType:
    """Summary table, E0s, findings with their advice, and a last line with the verdict; fits 80 columns."""
    summary = inspection.summary
    parts = summary["parts"]
    table = FittingTable(collapse_padding=False)
    table.add_column("", no_wrap=True)
    for name in parts:
        table.add_column(name if len(parts) > 1 else "frames", justify="right", overflow="fold")
    for title, row in _rows(parts):
        table.add_row(title, *row)
    blocks: list[RenderableType] = [table]
    if summary["e0"]:
        values = ", ".join(f"{species} {energy:.4f}" for species, energy in sorted(summary["e0"].items()))
        blocks.append(Text(f"isolated atoms, eV: {values}"))
    blocks.append(Text())
    blocks += [_finding(finding) for finding in inspection.findings]
    blocks.append(_verdict(inspection))
    return Group(*blocks)


def _rows(parts: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    def row(title: str, key: str, digits: int = 3) -> tuple[str, list[str]]:
        return title, [_range(part[key], digits) for part in parts.values()]

    def count(label: str) -> list[str]:
        return ["all" if p["labels"][label] == p["frames"] else str(p["labels"][label]) for p in parts.values()]

    values = parts.values()
    return [
        ("frames", [str(p["frames"]) for p in values]),
        ("atoms by species", [" ".join(f"{s} {n}" for s, n in p["species"].items()) or "-" for p in values]),
        ("compositions", [str(p["compositions"]) for p in values]),
        row("atoms per frame", "atoms_per_frame", 0),
        ("periodic", [str(p["periodic_frames"]) for p in values]),
        *((f"with {label}", count(label)) for label in _labels(parts)),
        row("energy per atom, eV", "energy_per_atom"),
        ("RMS force, eV/Å", ["-" if p["force_rms"] is None else f"{p['force_rms']:.3f}" for p in values]),
        row("|force|, eV/Å", "force_norm"),
        row("shortest distance, Å", "nearest_distance"),
        row("volume per atom, Å^3", "volume_per_atom", 2),
    ]


def _labels(parts: dict[str, dict[str, Any]]) -> list[str]:
    """Labels that every potential is fitted to, and those that some frame has."""
    return [
        row.name for row in outputs() if row.energy_unit or any(part["labels"][row.name] for part in parts.values())
    ]


def _range(values: dict[str, float] | None, digits: int) -> str:
    if values is None:
        return "-"
    low, high = f"{values['min']:.{digits}f}", f"{values['max']:.{digits}f}"
    return low if low == high else f"{low} to {high}"


def _finding(finding: DataFinding) -> RenderableType:
    head = Text.assemble((finding.level, _STYLES[finding.level]), f" [{finding.code}] ", finding.message)
    lines: list[RenderableType] = [head]
    if finding.frames:
        more = len(finding.frames) - _SHOWN
        names = ", ".join(finding.frames[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        lines.append(Padding(Text(names, style="dim"), (0, 0, 0, 2), expand=False))
    if finding.advice:
        lines.append(Padding(Text(f"-> {finding.advice}"), (0, 0, 0, 2), expand=False))
    return Group(*lines)


def _verdict(inspection: Inspection) -> Text:
    errors, warnings = len(inspection.errors), len(inspection.warnings)
    counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    if errors:
        return Text(f"{counts}: training would stop here", style="bold red")
    return Text(f"{counts}: ready for training", style="bold yellow" if warnings else "bold green")
