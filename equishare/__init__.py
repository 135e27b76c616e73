"""Equivariant deep learning by weight sharing.

A symmetric layer is an ordinary layer whose weights are shared. Subpackages load on first use, so that
``import equishare`` costs nothing beyond itself.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_SUBPACKAGES = (
    "check",
    "datasets",
    "atoms",
    "groups",
    "simulate",
    "gallery",
    "learning",
    "nn",
    "potential",
    "sharing",
    "training",
)

_FUNCTIONS = {"learn": "learning.learn", "train": "training.from_python"}

__all__ = ["__version__", *_FUNCTIONS, *_SUBPACKAGES]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"equishare.{name}")
    if name in _FUNCTIONS:
        return getattr(import_module(f"equishare.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'equishare' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
