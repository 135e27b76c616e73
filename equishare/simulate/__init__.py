"""Running a fitted potential in other programs."""

from equishare.simulate.ase_calculator import EquishareCalculator
from equishare.simulate.dispersion import DispersionError, d3
from equishare.simulate.md import MDError, MDResult, MDRow, run_md

__all__ = ["DispersionError", "EquishareCalculator", "MDError", "MDResult", "MDRow", "d3", "run_md"]
