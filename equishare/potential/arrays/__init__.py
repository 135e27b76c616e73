"""A potential on plain arrays, for evaluation over and over as in dynamics: the same network, its derivative by a tape over arrays."""

from equishare.potential.arrays.potential import ArrayPotential, Structure

__all__ = ["ArrayPotential", "Structure"]
