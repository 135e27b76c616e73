"""Molecular dynamics: settings, integrators, files and the loop."""

from equishare.simulate.md.rows import MDResult, MDRow
from equishare.simulate.md.run import run_md
from equishare.simulate.md.settings import MDError, MDSettings

__all__ = ["MDError", "MDResult", "MDRow", "MDSettings", "run_md"]
