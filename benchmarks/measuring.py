"""What the benchmarks share: CPU time in paired rounds, the machine, results on disk."""

import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import equishare

RESULTS = Path(__file__).parent / "results"


def rounds(calls: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 3) -> dict[str, np.ndarray]:
    """CPU milliseconds of the calls, each made once a round, so that what disturbs the machine disturbs them all."""
    for call in calls.values():
        for _ in range(warm_up):
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(1000 * (time.process_time() - start))
    return {name: np.array(values) for name, values in times.items()}


def processor() -> str:
    """Name of the processor, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())


def machine(*packages: str) -> dict[str, object]:
    """Date, processor, cores and the versions of packages, for a result to be read later."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    if package == equishare.__name__:
        return equishare.__version__  # the metadata of an editable installation are of the day on which it was made
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def read(name: str) -> dict[str, Any]:
    """Results of earlier runs, to be added to."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(name: str, results: Mapping[str, Any]) -> None:
    """Write results where the others are."""
    RESULTS.mkdir(exist_ok=True)
    save(RESULTS / f"{name}.json", results)


def save(path: Path, results: object) -> None:
    """Write results beside, then rename: a run that is cut off leaves the last ones whole."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    os.replace(beside, path)
