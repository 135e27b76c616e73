"""What an installation brings: packages, megabytes, and the CPU time of an import.

    python benchmarks/installation.py [pyproject.toml]

Follows the hard dependencies of a pyproject.toml through what is installed here, adds up the files of each, and times the import of
torch and of `equishare.training.fit` in fresh processes.
"""

import importlib.metadata as metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

CODE = (
    "import time; start = time.process_time(); import torch; middle = time.process_time(); "
    "import equishare.training.fit; print(middle - start, time.process_time() - middle)"
)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements: list[str]) -> set[str]:
    """Names of all packages that these lead to, among those that are installed."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonical(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [Requirement(line) for line in needs]
    return found


def megabytes(name: str) -> float:
    files = metadata.files(name) or []
    return sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()) / 2**20


def main() -> None:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "pyproject.toml")
    direct = tomllib.loads(path.read_text())["project"]["dependencies"]
    sizes = {name: megabytes(name) for name in closure(direct)}
    print(f"{len(direct)} hard dependencies, {len(sizes)} packages with theirs, {sum(sizes.values()):.0f} MB")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:12]:
        print(f"  {name:20} {size:6.0f} MB")
    times = [
        subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    ]
    torch, ours = (sorted(float(line.split()[k]) for line in times)[1] for k in (0, 1))
    print(f"import torch {torch:.1f} s, then equishare.training.fit {ours:.1f} s of CPU (median of 3)")


if __name__ == "__main__":
    main()
