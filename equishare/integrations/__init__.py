"""Running a fitted potential in other programs."""

from equishare.integrations.ase_calculator import EquishareCalculator
from equishare.integrations.md import MDError, MDResult, MDRow, run_md

__all__ = ["EquishareCalculator", "MDError", "MDResult", "MDRow", "run_md"]
