"""Errors on every reference set, for every budget and preset: what defaults are chosen by, and what is reported.

    python benchmarks/accuracy.py --data DATA [--sets acac lithium ...] [--minutes 10 45 120] [--presets default ...] [--seeds 3]
        [--frames 25 100 ...]
    python benchmarks/accuracy.py --page

DATA holds a folder a set (`reference_sets/sets.py` names them); dry ice is bundled. Every run starts from noise, in a process of its
own on one thread, and its budget is CPU time, so that programs beside it cost it nothing. A row a run goes into
`benchmarks/results/accuracy.json` with machine, date and versions; rows that are there are not run again. A run that is stopped
(Ctrl-C, SIGTERM) keeps its checkpoint in `--keep`, and the same command goes on with it. With --frames, runs on so many of the first frames: a learning curve, for sets whose frames
are in random order. At the end the score is printed, the geometric mean over the sets of
error / reference: of validation frames to choose by, of test frames to report; and `docs/measurements/accuracy.md` is written (`--page`: that alone).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import measuring
from reference_sets.page import page, table
from reference_sets.sets import SETS

from equishare.potential import PRESETS

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "measurements" / "accuracy.md"
PACKAGES = ("equishare", "torch", "e3nn", "numpy", "numba", "ase")


def run(task: dict[str, Any]) -> dict[str, Any]:
    """One run in a process of its own; its row.

    Raises:
        SystemExit: with the process's exit status, where it was stopped or failed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
    command = [sys.executable, "-m", "reference_sets.run", json.dumps(task)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:

        def passed_on(number: int, frame: FrameType | None) -> None:
            process.send_signal(number)

        before = {number: signal.signal(number, passed_on) for number in (signal.SIGTERM, signal.SIGINT)}
        output, _ = process.communicate()
        for number, handler in before.items():
            signal.signal(number, handler)
    if process.returncode:
        raise SystemExit(process.returncode)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--minutes", nargs="+", type=float, default=[10, 45, 120], help="of CPU time, each a run")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=["default"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frames", nargs="+", type=int, default=[None], help="of a set in random order; all")
    parser.add_argument("--keep", type=Path, default=Path("accuracy-runs"), help="folder of the runs under way")
    parser.add_argument("--page", action="store_true", help="write the page from the results that there are")
    arguments = parser.parse_args()
    if not arguments.page and arguments.data is None:
        parser.error("name the folder of the sets with --data")
    ordered = [name for name in arguments.sets if not SETS[name].random]
    if arguments.frames != [None] and ordered:
        parser.error(f"--frames needs sets in random order; these are not: {', '.join(ordered)}")
    results = measuring.read("accuracy")
    tasks = [
        {"set": name, "preset": preset, "minutes": minutes, "seed": seed, **({"frames": frames} if frames else {})}
        for minutes in arguments.minutes
        for seed in range(arguments.seeds)
        for preset in arguments.presets
        for name in arguments.sets
        for frames in arguments.frames
    ]
    for task in [] if arguments.page else tasks:
        key = f"{task['set']}/{task['preset']}/{task['minutes']:g}min/{task['seed']}"
        key += f"/{task['frames']} frames" if "frames" in task else ""
        if key not in results:
            print(key, flush=True)
            out = arguments.keep.resolve() / key.replace("/", "-").replace(" ", "-")
            row = run({**task, "data": str(arguments.data.resolve()), "out": str(out)})
            # others may have added theirs in the meantime
            results = {**measuring.read("accuracy"), key: {**task, "machine": measuring.machine(*PACKAGES), **row}}
            measuring.write("accuracy", results)
    print(table(results, "valid"), table(results, "test"), sep="\n\n")
    PAGE.write_text(page(results, measuring.read("accuracy_choices")), encoding="utf-8")


if __name__ == "__main__":
    main()
