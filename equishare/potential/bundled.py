"""Weights that come with the package, by name."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "weights"


def bundled() -> tuple[str, ...]:
    """Names of the potentials in the package, which stand wherever a model file does."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.safetensors")))


def model_path(model: str | os.PathLike[str]) -> Path:
    """The model file that is meant: a file as it is, or a potential of the package by its name.

    >>> model_path("runs/first/model.safetensors").name
    'model.safetensors'
    """
    given = Path(model)
    return FOLDER / f"{given}.safetensors" if not given.is_file() and str(given) in bundled() else given
