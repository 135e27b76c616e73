"""Mutation testing of `potential`, `ops` and `sharing` by a sample: change one place of the code, and the tests must fail.

    pip install cosmic-ray
    python benchmarks/mutants.py [--count 30] [--seed 0] [--seconds 60]

cosmic-ray makes the changes; at most one a line, none in annotations or decorators, none in compiled loops and kernels. Each mutant meets the doctests of its own file
and the three test files that name most of what that file defines, in a process forked from one that has imported the libraries, and for `--seconds` of its CPU
time at most. Prints a row for each, and writes them to `benchmarks/results/mutants.json`; a mutant that is there is not run again.
"""

import argparse
import ast
import importlib
import json
import os
import random
import re
import resource
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from measuring import read, write

ROOT = Path(__file__).parents[1]
PACKAGES = ("potential", "ops", "sharing")
# compiled, or run in processes of their own
LEFT_OUT = {"numba.py", "triton.py", "ahead.py", "export.py", "__init__.py"}
LIBRARIES = (
    "ase.build",
    "e3nn.o3",
    "hypothesis",
    "jaxtyping",
    "numba",
    "pydantic",
    "scipy.optimize",
    "scipy.sparse",
    "sympy.combinatorics",
    "torch._dynamo",
    "torch.nn.utils.parametrize",
    "vesin",
)
COPIED = ("equishare", "tests", "benchmarks", "docs", "pyproject.toml", "README.md")


def not_mutated(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations and decorators stand: what changes there changes no number."""
    parts: list[ast.AST | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            every = [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            parts += [node.returns, *node.decorator_list, *(a.annotation for a in every if a)]
        elif isinstance(node, ast.AnnAssign):
            parts.append(node.annotation)
        elif isinstance(node, ast.ClassDef):
            parts += node.decorator_list
    return [((p.lineno, p.col_offset), (p.end_lineno, p.end_col_offset)) for p in parts if p is not None]


def possible(file: Path) -> list[tuple[str, int, int]]:
    """All mutants of a file: operator, which of its places, and the line."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = file.read_text()
    tree, spared = get_ast(source), not_mutated(source)
    found = []
    for name in operator_names():
        if get_operator(name).arguments():
            continue
        operator = get_operator(name)()
        places = (start for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node))
        for number, start in enumerate(places):
            if not any(first <= tuple(start) < last for first, last in spared):
                found.append((name, number, start[0]))
    return found


def draw(package: str, count: int, seed: int) -> list[tuple[str, str, int, int]]:
    """Mutants of a package, each on a line of its own: file, operator, which of its places, line."""
    lines: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for file in sorted((ROOT / "equishare" / package).rglob("*.py")):
        if file.name not in LEFT_OUT:
            for name, number, line in possible(file):
                lines.setdefault((file.relative_to(ROOT).as_posix(), line), []).append((name, number))
    rng = random.Random(f"{package} {seed}")
    chosen = rng.sample(sorted(lines), count)
    return [(file, *rng.choice(lines[file, line]), line) for file, line in chosen]


def tests_of(file: str) -> list[str]:
    """The file itself, for its doctests, and the three test files that name most of what it defines."""
    tree = ast.parse((ROOT / file).read_text())
    names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    path = Path(file)
    stem = path.stem if path.stem not in ("torch", "operation", "base") else path.parent.name
    words = re.compile(rf"\b({'|'.join([*names, stem])})\b")
    package = Path(file).parts[1]
    score = {
        path: len(words.findall(path.read_text())) * (3 if package in path.parts else 1)
        for folder in (*PACKAGES, "nn")
        for path in (ROOT / "tests" / folder).rglob("test_*.py")
    }
    best = sorted((path for path in score if score[path]), key=lambda path: -score[path])[:3]
    return [file, *(path.relative_to(ROOT).as_posix() for path in best)]


def run(tree: Path, tests: list[str], seconds: int, log: Path) -> tuple[str, float]:
    """What the tests say of the mutant, and their CPU time."""
    child = os.fork()
    if child == 0:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time_so_far()) + seconds, int(time_so_far()) + seconds))
        for name in [name for name in sys.modules if name.partition(".")[0] == "equishare"]:
            del sys.modules[name]  # ours: the child imports the mutant
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        os.environ["PYTHONPATH"] = str(tree)
        import pytest

        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests])
        sys.stdout.flush()
        os._exit(int(code))
    _, status, usage = os.wait4(child, 0)
    spent = usage.ru_utime + usage.ru_stime
    if os.WIFSIGNALED(status):
        return "not decided in time", spent
    return ("survived" if os.WEXITSTATUS(status) == 0 else "killed"), spent


def time_so_far() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=30, help="mutants of each package")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=60, help="CPU time of a mutant at most")
    options = parser.parse_args()
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    drawn = [draw(package, options.count, options.seed) for package in PACKAGES]
    rows = read("mutants") or {}
    for name in LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, tree / name)
        for file, operator, number, line in (mutant for each in zip(*drawn, strict=True) for mutant in each):
            key = f"{file}:{line} {operator.removeprefix('core/')} {number}"
            if key in rows:
                continue
            source = (ROOT / file).read_text()
            changed = mutate_code(source, get_operator(operator)(), number)
            (tree / file).write_text(changed)
            verdict, spent = run(tree, tests_of(file), options.seconds, Path(folder) / "log")
            (tree / file).write_text(source)
            lines = zip(source.splitlines(), changed.splitlines(), strict=False)
            what = next((f"{a.strip()} -> {b.strip()}" for a, b in lines if a != b), "")
            rows[key] = {"verdict": verdict, "cpu_s": round(spent, 1), "change": what}
            print(f"{verdict:20} {spent:5.0f} s  {key}\n    {what}", flush=True)
            write("mutants", rows)
    for package in PACKAGES:
        print(package, json.dumps(Counter(row["verdict"] for key, row in rows.items() if f"/{package}/" in key)))


if __name__ == "__main__":
    main()
