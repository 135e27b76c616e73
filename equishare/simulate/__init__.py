"""Running a fitted potential in other programs."""

from equishare.simulate.ase_calculator import EquishareCalculator
from equishare.simulate.dispersion import DispersionError, d3
from equishare.simulate.md import MDError, MDResult, MDRow, MDSettings, run_md

__all__ = ["DispersionError", "EquishareCalculator", "MDError", "MDResult", "MDRow", "MDSettings", "d3", "run_md"]
