"""Running a fitted potential in other programs."""

from equishare.integrations.ase_calculator import EquishareCalculator
from equishare.integrations.dispersion import DispersionError, d3
from equishare.integrations.md import MDError, MDResult, MDRow, run_md

__all__ = ["DispersionError", "EquishareCalculator", "MDError", "MDResult", "MDRow", "d3", "run_md"]
