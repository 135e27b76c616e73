"""Equivariance and physics checks of any model.

`equivariance` tests any callable against a symmetry; `calculator` tests any ASE calculator against the laws
that a potential must obey. Both measure, then judge, and say where it breaks.
"""

from equishare.check.calculator import calculator
from equishare.check.calculator_report import CalculatorReport, PhysicsTest
from equishare.check.equivariance import equivariance
from equishare.check.report import EquivarianceReport, Finding
from equishare.check.spellings import geometric, group, image, molecule, point_cloud, set_
from equishare.check.symmetry import Symmetry
from equishare.check.transform import Cartesian, Image, Index, Irreps, Represented, Transform
from equishare.check.verdict import Verdict

__all__ = [
    "CalculatorReport",
    "Cartesian",
    "EquivarianceReport",
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
