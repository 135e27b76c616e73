"""Equivariance and physics checks of any model.

`equivariance` tests any callable against a symmetry; `calculator` tests any ASE calculator against the laws
that a potential must obey. Both measure, then judge, and say where it breaks. Names load on first use: pytest
imports this package for its plugin, and must not pay for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equishare.check.calculator_check import calculator
    from equishare.check.calculator_report import CalculatorReport, PhysicsTest
    from equishare.check.element import Element
    from equishare.check.equivariance_check import equivariance
    from equishare.check.field import Field
    from equishare.check.report import EquivarianceReport, Finding
    from equishare.check.spellings import geometric, group, image, molecule, point_cloud, set_
    from equishare.check.symmetry import Symmetry
    from equishare.check.transform import Cartesian, Image, Index, Irreps, Represented, Transform
    from equishare.check.verdict import Verdict

_HOME = {
    "calculator_check": ("calculator",),
    "calculator_report": ("CalculatorReport", "PhysicsTest"),
    "element": ("Element",),
    "equivariance_check": ("equivariance",),
    "field": ("Field",),
    "report": ("EquivarianceReport", "Finding"),
    "spellings": ("geometric", "group", "image", "molecule", "point_cloud", "set_"),
    "symmetry": ("Symmetry",),
    "transform": ("Cartesian", "Image", "Index", "Irreps", "Represented", "Transform"),
    "verdict": ("Verdict",),
}

__all__ = [
    "CalculatorReport",
    "Cartesian",
    "Element",
    "EquivarianceReport",
    "Field",
    "Finding",
    "Image",
    "Index",
    "Irreps",
    "PhysicsTest",
    "Represented",
    "Symmetry",
    "Transform",
    "Verdict",
    "calculator",
    "equivariance",
    "geometric",
    "group",
    "image",
    "molecule",
    "point_cloud",
    "set_",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"equishare.check.{home}"), name)
    raise AttributeError(f"module 'equishare.check' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
