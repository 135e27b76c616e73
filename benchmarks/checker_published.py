"""Check models and calculators of other projects as they come, and print one row of docs/measurements/checker.md for each.

    python benchmarks/checker_published.py e3nn pyg calculators torch_nn       # in equishare's own environment
    python -m venv other && other/bin/pip install equishare egnn-pytorch && other/bin/python benchmarks/checker_published.py egnn

Packages that need other versions of torch or e3nn go into environments of their own. A row names the verdict that is known to be
right; one that comes out otherwise is marked. What would take over a minute is said before, and answered in the quick way.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import measuring
import torch
from checker_models.published import as_they_come, layers, more_potentials, potentials, weights
from checker_models.published.structures import Row

from equishare import check

SECONDS = 60.0

SUBJECTS: dict[str, Callable[[], Iterator[Row]]] = {
    f.__name__: f
    for f in (
        layers.e3nn,
        layers.pyg,
        layers.escnn,
        potentials.mace,
        potentials.nequip,
        potentials.schnetpack,
        more_potentials.torchmdnet,
        more_potentials.allegro,
        more_potentials.orb,
        weights.chgnet,
        weights.sevennet,
        weights.calculators,
        as_they_come.egnn,
        as_they_come.en_transformer,
        as_they_come.se3_transformer,
        as_they_come.equiformer,
        as_they_come.gvp,
        as_they_come.point_attention,
        as_they_come.neural_operator,
        as_they_come.slot_attention,
        as_they_come.set_transformer,
        as_they_come.torch_nn,
    )
}


def result_of(row: Row, report: Any, seconds: float) -> dict[str, Any]:
    """What a table or a file says of a check."""
    if isinstance(report, check.CalculatorReport):
        gravity = {"pass": 0, "undecided": 1, "fail": 2}
        worst = max(report.tests, key=lambda t: (gravity[t.verdict], t.error / (t.floor or 1e-300)))
        what, floor = f"{worst.name}, {worst.quantity}: {worst.error:.1e} {worst.unit}", worst.floor
        note = "; ".join(dict.fromkeys(f"{t.name} ({t.quantity})" for t in report.tests if t.verdict != "pass"))
    else:
        worst = report.worst
        what, floor = f"{worst.factor}, {worst.quantity}: {worst.error:.1e}", worst.noise_floor
        note = f"`{report.culprit}`" if report.culprit else worst.note
    return {
        "model": row.name,
        "verdict": report.verdict.value,
        "known": row.known,
        "why": row.why,
        "worst": what,
        "noise": f"{floor:.1e}",
        "note": note,
        "seconds": round(seconds, 1),
    }


def cells_of(found: dict[str, Any]) -> str:
    """A row of a table in Markdown."""
    mark = "" if found["verdict"] == found["known"] else " **!**"
    known = f"{found['known']}: {found['why']}" if found["why"] else found["known"]
    name = f"{found['subject']}: {found['model']}"
    cells = (name, found["worst"], found["noise"], found["verdict"] + mark, known, found["note"], found["seconds"])
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--table", type=Path, help="print the rows of such a file again")
    parser.add_argument("--full", action="store_true", help="print whole reports too")
    parser.add_argument("--results", type=Path, help="JSON file, to which the rows are added")
    arguments = parser.parse_args()
    if unknown := set(arguments.subjects) - set(SUBJECTS):
        parser.error(f"no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    print("| model | worst error | noise | verdict | known | culprit or note | CPU seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    if arguments.table:
        for found in sorted(
            json.loads(arguments.table.read_text())["rows"], key=lambda r: list(SUBJECTS).index(r["subject"])
        ):
            print(cells_of(found))
    for subject in arguments.subjects:
        for row in SUBJECTS[subject]():
            started = time.process_time()
            report = row.report(seconds=SECONDS)
            found = result_of(row, report, time.process_time() - started)
            print(cells_of({"subject": subject, **found}), flush=True)
            if arguments.full:
                print(report, flush=True)
            if arguments.results is not None:
                _keep(arguments.results, subject, found)


def _keep(path: Path, subject: str, found: dict[str, Any]) -> None:
    """Replace the row of this name, or add it."""
    kept = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [r for r in kept if (r["subject"], r["model"]) != (subject, found["model"])]
    measuring.save(
        path, {"machine": measuring.machine("torch", "e3nn", "ase"), "rows": [*rows, {"subject": subject, **found}]}
    )


if __name__ == "__main__":
    main()
