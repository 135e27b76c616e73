"""Second derivatives of the energy."""

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.atoms.neighbours import GraphError
from equishare.potential.base import carrying, second_derivatives
from equishare.potential.graph import AtomGraph, collate
from equishare.potential.potential import Potential


def hessian(
    potential: Potential, graph: AtomGraph, atoms_at_once: int = 256
) -> Float[Tensor, "coordinates coordinates"]:
    r"""Matrix of second derivatives of the energy of one structure, in eV/Å^2.

    .. math:: H_{ia, jb} = \frac{\partial^2 E}{\partial r_{ia} \partial r_{jb}} = -\frac{\partial F_{ia}}{\partial r_{jb}}

    by automatic differentiation: exact to rounding, and symmetrised. A row costs about a training step; copies of a small structure
    make up one batch, of which each copy gives another row. What a cheap method adds (``config.base``) comes by central differences. Coordinates count x, y, z of atom 0, then of atom 1, as in ASE.
    Covariant under O(3) and permutations, invariant under translations: exact.

    Args:
        potential: In evaluation mode; float64 where small frequencies matter.
        graph: One structure, on the potential's device and in its precision.
        atoms_at_once: Atoms of a batch, or of one structure that is larger.

    Raises:
        GraphError: for a batch of structures.

    >>> from ase.build import molecule
    >>> from equishare.potential import ModelConfig, from_atoms
    >>> potential = Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0}).eval()
    >>> hessian(potential, from_atoms(molecule("H2O"), potential.cutoff)).shape
    torch.Size([9, 9])
    """
    if graph.n_graphs != 1:
        raise GraphError(
            f"expected the graph of one structure, got {graph.n_graphs} in a batch: take one after the other"
        )
    n_atoms = len(graph.numbers)
    n_rows, at_once = 3 * n_atoms, max(1, atoms_at_once // n_atoms)
    rows, has_base = [], potential.config.base is not None
    graph = carrying(graph) if has_base else graph
    for start in range(0, n_rows, at_once):
        chosen = torch.arange(start, min(start + at_once, n_rows), device=graph.positions.device)
        copies = collate([graph] * len(chosen))
        copies.positions = copies.positions.detach().requires_grad_()
        with torch.enable_grad():
            forces = potential(copies).forces.reshape(len(chosen), n_rows)
            total = forces.gather(1, chosen.unsqueeze(1)).sum()
        if not total.requires_grad:  # atoms without neighbours
            rows = [forces.new_zeros(n_rows, n_rows)]
            break
        (gradient,) = torch.autograd.grad(total, copies.positions)
        rows.append(-gradient.reshape(len(chosen), n_rows))
    matrix = torch.cat(rows)
    matrix = (matrix + matrix.T) / 2
    return matrix + second_derivatives(graph).to(matrix) if has_base else matrix
