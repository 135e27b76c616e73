"""What the prompt says at the end."""

from __future__ import annotations

import shlex

from rich.console import Console

from equishare.learning.campaign import Learnt
from equishare.learning.ledger import read_all
from equishare.learning.report.progress import milli


def print_summary(learnt: Learnt, console: Console) -> None:
    """Why it ended, the errors, what failed, and what to do with the potential."""
    folder = learnt.folder
    lines = [f"\nEnded     {learnt.reason}"]
    if learnt.errors:
        count = len([atoms for atoms in read_all(folder.labels) if atoms.info["role"] == "valid"])
        energy = learnt.errors.get("energy_per_atom")
        lines.append(
            f"Errors    forces {milli(learnt.errors.get('forces'))} meV/Å, energy {milli(energy)} meV/atom "
            f"(RMSE, {count} frames that\n          were never trained on, but by which the best weights were chosen)"
        )
    failed, apart = read_all(folder.failed), read_all(folder.apart)
    if failed:
        lines.append(f"Failed    {len(failed)} labels, kept aside in {folder.failed}")
        lines += [f"          {reason}" for reason in sorted({str(atoms.info["reason"]) for atoms in failed})[:3]]
    if apart:
        lines.append(f"Apart     {len(apart)} configurations reacted or fell apart: {folder.apart}")
        lines += [f"          {apart[0].info['reason']}"]
    lines += [f"Dynamics  {sentence}" for sentence in learnt.dynamics]
    lines += [f"Labels    {folder.labels}"]
    if folder.model.exists():
        lines += [f"Potential {folder.model}"]
    if folder.report.exists():
        lines += [f"Report    {folder.report}"]
    if not learnt.reached:
        lines += ["\nTo go on:", f"  equishare learn --resume {shlex.quote(str(folder.path))}{_more(learnt)}"]
    if folder.model.exists():
        model, start = (shlex.quote(str(path)) for path in (folder.model, folder.start))
        lines += ["To run molecular dynamics:", f"  equishare md {model} {start}@0 --temperature 300"]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _more(learnt: Learnt) -> str:
    if "labels are used" in learnt.reason:
        return f" --max-labels {2 * (learnt.records[-1].labels + learnt.records[-1].failed)}"
    return " --max-time 2h" if "would not fit" in learnt.reason else ""
