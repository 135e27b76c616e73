"""Forces and virial from the energy's derivative by the edge vectors: one formula each, on tensors and on arrays."""

from typing import Any

from equishare.potential.operations import Operations


def edge_forces(ops: Operations, gradient: Any) -> Any:
    r"""Forces on the atoms; an edge's vector is that from its receiver to its sender.

    .. math:: F_i = -\frac{\partial E}{\partial r_i} = \sum_{j \to i} \frac{\partial E}{\partial r_{ij}} - \sum_{i \to k} \frac{\partial E}{\partial r_{ki}}
    """
    return ops.at_receivers(gradient) - ops.at_senders(gradient)


def virial(ops: Operations, vectors: Any, gradient: Any) -> Any:
    r"""Derivative of the energy by a symmetric strain in eV: stress times volume, ``[graphs, 3, 3]``.

    .. math:: W = \sum_{e} r_e \otimes \frac{\partial E}{\partial r_e}
    """
    of_atoms = ops.at_receivers(vectors[:, :, None] * gradient[:, None, :])
    whole = ops.sum_atoms(of_atoms)
    return (whole + whole.swapaxes(1, 2)) / 2


def mean_square(vectors: Any) -> Any:
    """Mean square of the three components of each vector."""
    return (vectors**2).mean(1)
