"""How many of 70 kinds of planted mistakes the checker catches, in how long, and how often it accuses a correct model.

    python benchmarks/checker_planted.py bugs --seeds 2 --jobs 2 --results benchmarks/results/checker_planted_bugs.json
    python benchmarks/checker_planted.py correct --runs 2000 --jobs 2 --results benchmarks/results/checker_planted_correct.json

With `--keep FILE` finished runs are kept, one a line, and a command that is started again goes on where it ended.
Each kind of mistake is planted into each of five architectures, or five calculators; no case is left out for its outcome.
A broken one that passes is a miss, a correct one that does not is a false alarm. By how much a mistake breaks a model is measured
beside, without the checker: a mistake that breaks nothing in some architecture shows as such.
"""

import argparse
import json
import multiprocessing
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import measuring
import torch
from checker_models.planted.architectures import ARCHITECTURES
from checker_models.planted.calculators import CALCULATORS, CRYSTALS_ONLY, MISTAKES, MOLECULES_ONLY, SCANNED, Faulty
from checker_models.planted.correct import CORRECT, ENERGY, checked, inputs
from checker_models.planted.model_bugs import ATOMS, VECTORS
from checker_models.planted.truth import broken_by
from checker_models.twins.twins import seeded
from scipy import stats

from equishare import check

Task = tuple[str, str, str, int]
"""Where: "atoms", "vectors", "calculator" or "correct"; the mistake; what it is planted into; the seed."""


def run(task: Task) -> tuple[Task, dict[str, Any]]:
    """Run one check in a process of its own."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    place, mistake, subject, seed = task
    started = time.process_time()
    try:
        report = _report(place, mistake, subject, seed)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return task, {"verdict": "error", "why": f"{type(error).__name__}: {error} ({last.name}, {last.lineno})"}
    found = {"verdict": report.verdict.value, "seconds": round(time.process_time() - started, 2)}
    if place in ("atoms", "vectors"):
        found["named"] = report.culprit == place
        found["culprit"] = report.culprit
        found["breaks by"] = broken_by(planted(*task), *inputs(seed), seed)
    if report.verdict != "pass":
        rows = [t for t in report.tests if t.verdict != "pass"]
        name = "factor" if hasattr(rows[0], "factor") else "name"
        found["rows"] = [f"{getattr(t, name)}, {t.quantity}: {t.error:.1e} {t.note}" for t in rows[:4]]
    return task, found


def _report(place: str, mistake: str, subject: str, seed: int) -> Any:
    if place == "correct":
        return CORRECT[subject](seed)
    if place == "calculator":
        make, structure = CALCULATORS[subject]
        options = {"scan": mistake in SCANNED, "dynamics": False, "seed": seed}
        return check.calculator(Faulty(make(seed), mistake), structure(seed), **options)
    return checked(planted(place, mistake, subject, seed), inputs(seed), ENERGY, seed)


def planted(place: str, mistake: str, subject: str, seed: int) -> torch.nn.Module:
    """Make an architecture with a mistake in it."""
    bug = {"atoms": ATOMS, "vectors": VECTORS}[place][mistake]
    return seeded(lambda: ARCHITECTURES[subject](**{place: bug()}), seed)


def bugs(seeds: int) -> list[Task]:
    """Every mistake in every subject that it makes sense in."""
    tasks = [
        (place, name, subject, seed)
        for place, kinds in (("atoms", ATOMS), ("vectors", VECTORS))
        for name in kinds
        for subject in ARCHITECTURES
        for seed in range(seeds)
    ]
    for name in MISTAKES:
        for subject, (_, structure) in CALCULATORS.items():
            periodic = bool(structure(0).pbc.any())
            fits = name not in (MOLECULES_ONLY if periodic else CRYSTALS_ONLY)
            # EMT itself cannot be pickled, in any state
            if fits and (name, subject) != ("parameter lost in pickling", "EMT"):
                tasks += [("calculator", name, subject, seed) for seed in range(seeds)]
    return tasks


def correct(runs: int) -> list[Task]:
    """Every kind of correct model in turn, with one seed after the other."""
    names = list(CORRECT)
    return [("correct", "", names[i % len(names)], i // len(names)) for i in range(runs)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("bugs", "correct"))
    parser.add_argument("--seeds", type=int, default=2, help="of every mistake in every subject")
    parser.add_argument("--runs", type=int, default=2000, help="of correct ones")
    parser.add_argument("--only", default="", help="tasks whose names contain this")
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--results", type=Path, help="JSON file, written again as results come")
    parser.add_argument("--keep", type=Path, help="file of finished runs, which are not done again")
    arguments = parser.parse_args()
    tasks = bugs(arguments.seeds) if arguments.what == "bugs" else correct(arguments.runs)
    tasks = [t for t in tasks if arguments.only in " ".join(t[:3])]
    done = {task: found for task, found in _kept(arguments.keep) if task in set(tasks)}
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool:
        for task, found in pool.imap_unordered(run, [t for t in tasks if t not in done]):
            done[task] = found
            if arguments.keep is not None:
                with arguments.keep.open("a") as kept:
                    kept.write(json.dumps([task, found]) + "\n")
            if found["verdict"] in (("pass", "error") if arguments.what == "bugs" else ("undecided", "fail", "error")):
                print("!", *task, found, flush=True)
            if arguments.results is not None and len(done) % 100 in (0, len(tasks) % 100):
                measuring.save(arguments.results, summary(arguments.what, done, len(tasks)))
    results = summary(arguments.what, done, len(tasks))
    if arguments.results is not None:
        measuring.save(arguments.results, results)
    print(*(f"{key}: {value}" for key, value in results.items() if not isinstance(value, (dict, list))), sep="\n")


def _kept(path: Path | None) -> list[tuple[Task, dict[str, Any]]]:
    """Read runs that a command before this one finished."""
    if path is None or not path.exists():
        return []
    return [(tuple(task), found) for task, found in map(json.loads, path.read_text().splitlines())]


def summary(what: str, done: dict[Task, dict[str, Any]], planned: int) -> dict[str, Any]:
    """Count, and list whatever did not come out as it should."""
    verdicts = Counter(found["verdict"] for found in done.values())
    seconds = sorted(found["seconds"] for found in done.values() if "seconds" in found)
    common: dict[str, Any] = {
        "machine": measuring.machine("torch", "e3nn", "numpy", "ase"),
        "planned": planned,
        "runs": len(done),
        "verdicts": dict(verdicts),
        "CPU seconds, median": seconds[len(seconds) // 2] if seconds else None,
        "CPU seconds, largest": seconds[-1] if seconds else None,
    }
    if what == "correct":
        alarms = len(done) - verdicts["pass"]
        # Clopper and Pearson 1934, one-sided
        bound = float(stats.beta.ppf(0.95, alarms + 1, len(done) - alarms)) if alarms < len(done) else 1.0
        by_name = Counter(task[2] for task in done)
        wrong = [{"task": list(task), **found} for task, found in sorted(done.items()) if found["verdict"] != "pass"]
        return {
            **common,
            "false alarms": alarms,
            "95 % bound: 1 in": round(1 / bound),
            "of each kind": dict(by_name),
            "alarms": wrong,
        }
    models = {t: f for t, f in done.items() if t[0] != "calculator"}
    missed = [{"task": list(t), **f} for t, f in sorted(done.items()) if f["verdict"] in ("pass", "error")]
    unnamed = [
        {"task": list(t), **f} for t, f in sorted(models.items()) if not f.get("named") and f["verdict"] != "pass"
    ]
    kinds: dict[str, dict[str, str]] = {}
    for (_, mistake, subject, _), found in sorted(done.items()):
        row = kinds.setdefault(mistake, {})
        row[subject] = " ".join(filter(None, [row.get(subject, ""), found["verdict"]]))
    return {
        **common,
        "kinds": len(kinds),
        "caught": len(done) - len(missed),
        "culprits named": sum(bool(f.get("named")) for f in models.values()),
        "of models": len(models),
        "missed": missed,
        "culprit not named": unnamed,
        "by kind": kinds,
    }


if __name__ == "__main__":
    main()
