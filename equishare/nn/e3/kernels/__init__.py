"""The hot operations of the E(3) layers, in plain torch and as compiled loops with the same numbers."""

from equishare.nn.e3.kernels.backend import backend
from equishare.nn.e3.kernels.edges import Edges

__all__ = ["Edges", "backend"]
