"""Getting a model or a calculator from `path/to/file.py:name` or `package.module:name`."""

import difflib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from ase.calculators.calculator import BaseCalculator
from torch import nn

from equishare.check.errors import TargetError


def load_target(text: str) -> Any:
    """Import the object that `path/to/file.py:name` or `package.module:name` names.

    The file's folder and the working directory are importable while it loads, as they are for a script.

    Raises:
        TargetError: no such file, module or name.

    Example:
        >>> load_target("math:pi")
        3.141592653589793
    """
    where, colon, name = text.rpartition(":")
    if not colon or not where or not name:
        raise TargetError(f"{text!r} names no object; type path/to/file.py:name or package.module:name")
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise TargetError(f"{where} has no {name!r}; {_what_it_has(module, part)}")
        found = getattr(found, part)
    return found


def _what_it_has(module: Any, wanted: str) -> str:
    """Name what a person may have meant."""
    public = [n for n, v in vars(module).items() if not n.startswith("_") and not inspect.ismodule(v)]
    close = difflib.get_close_matches(wanted, public, n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else f"it has {', '.join(public) or 'nothing'}"


def _load_file(path: Path) -> Any:
    """Run a file once, however many of its names are asked for: a class and its inputs must be of one module."""
    if not path.is_file():
        raise TargetError(f"there is no file {path}")
    _importable(path.resolve().parent)
    loaded = sys.modules.get(path.stem)
    if loaded is not None and Path(getattr(loaded, "__file__", None) or "").resolve() == path.resolve():
        return loaded
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _load_module(name: str) -> Any:
    _importable(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise TargetError(
            f"there is no module {name!r} ({error}); type path/to/file.py:name or package.module:name"
        ) from error


def _importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def build(target: Any) -> Any:
    """Call a class or factory that needs no arguments; return anything else as it is.

    A function that does take arguments is the model itself.

    Raises:
        TargetError: a class whose constructor needs arguments.
    """
    if isinstance(target, (nn.Module, BaseCalculator)):
        return target
    if inspect.isclass(target) or inspect.isfunction(target):
        needed = [
            p.name
            for p in inspect.signature(target).parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if not needed:
            return target()
        if inspect.isclass(target):
            raise TargetError(
                f"{target.__name__} needs the arguments {', '.join(needed)}; write a function "
                "without arguments that makes it, and name that"
            )
    return target


def load_calculator(text: str) -> BaseCalculator:
    """Return the ASE calculator typed: a saved potential (.safetensors, or one of the package), `module:name` or a factory of one.

    Raises:
        TargetError: it is no calculator.
    """
    # by name at call time: the checker stands beside the potential and is not built on it
    ours = text.isidentifier() and text in importlib.import_module("equishare.potential.bundled").bundled()
    if ours or text.endswith(".safetensors"):
        if not (ours or Path(text).is_file()):
            raise TargetError(f"there is no file {text}")
        made = importlib.import_module("equishare.potential").load(text).calculator()
    else:
        made = build(load_target(text))
    if not hasattr(made, "get_property"):
        raise TargetError(f"{text} gives a {type(made).__name__}, not an ASE calculator")
    return made
