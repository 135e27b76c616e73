"""Equivariance and physics checks of any model.

`equivariance` tests any callable against a symmetry; `calculator` tests any ASE calculator against the laws
that a potential must obey. Both measure, then judge, and say where it breaks. Names load on first use: pytest
imports this package for its plugin, and must not pay for torch.
"""

from typing import TYPE_CHECKING

from equishare.lazy import lazy

if TYPE_CHECKING:
    from equishare.check.calculators.check import calculator
    from equishare.check.errors import CheckError
    from equishare.check.models.claims.fields import group
    from equishare.check.models.claims.images import image
    from equishare.check.models.claims.molecules import geometric, graph, molecule, point_cloud
    from equishare.check.models.claims.sets import set_
    from equishare.check.models.during_training import SymmetryLost, SymmetryWarning, TrainingCheck
    from equishare.check.models.equivariance import equivariance
    from equishare.check.models.lightning_callback import LightningCheck
    from equishare.check.models.symmetry.cartesian import Cartesian
    from equishare.check.models.symmetry.element import Element
    from equishare.check.models.symmetry.field import Field
    from equishare.check.models.symmetry.image import Image
    from equishare.check.models.symmetry.index import Index
    from equishare.check.models.symmetry.irreps import Irreps
    from equishare.check.models.symmetry.represented import Represented
    from equishare.check.models.symmetry.symmetry import Symmetry
    from equishare.check.models.symmetry.transform import Transform
    from equishare.check.reports.calculator_report import CalculatorReport, PhysicsTest
    from equishare.check.reports.symmetry_report import EquivarianceReport, SymmetryTest
    from equishare.check.reports.verdict import Verdict

__all__ = [
    "CalculatorReport",
    "Cartesian",
    "CheckError",
    "Element",
    "EquivarianceReport",
    "Field",
    "Image",
    "Index",
    "Irreps",
    "LightningCheck",
    "PhysicsTest",
    "Represented",
    "Symmetry",
    "SymmetryLost",
    "SymmetryTest",
    "SymmetryWarning",
    "TrainingCheck",
    "Transform",
    "Verdict",
    "calculator",
    "equivariance",
    "geometric",
    "graph",
    "group",
    "image",
    "molecule",
    "point_cloud",
    "set_",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "calculators.check": ("calculator",),
        "errors": ("CheckError",),
        "models.claims.fields": ("group",),
        "models.claims.images": ("image",),
        "models.claims.molecules": ("geometric", "graph", "molecule", "point_cloud"),
        "models.claims.sets": ("set_",),
        "models.during_training": ("SymmetryLost", "SymmetryWarning", "TrainingCheck"),
        "models.equivariance": ("equivariance",),
        "models.lightning_callback": ("LightningCheck",),
        "models.symmetry.cartesian": ("Cartesian",),
        "models.symmetry.element": ("Element",),
        "models.symmetry.field": ("Field",),
        "models.symmetry.image": ("Image",),
        "models.symmetry.index": ("Index",),
        "models.symmetry.irreps": ("Irreps",),
        "models.symmetry.represented": ("Represented",),
        "models.symmetry.symmetry": ("Symmetry",),
        "models.symmetry.transform": ("Transform",),
        "reports.calculator_report": ("CalculatorReport", "PhysicsTest"),
        "reports.symmetry_report": ("EquivarianceReport", "SymmetryTest"),
        "reports.verdict": ("Verdict",),
    },
)
