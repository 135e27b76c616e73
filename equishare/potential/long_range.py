"""Interactions beyond the cutoff: charges that the network predicts, and their Coulomb energy."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import Any

import torch
from ase import units
from torch import Tensor, nn

from equishare.errors import EquishareError
from equishare.nn import Readout
from equishare.nn.e3.density_conv import natural_irreps
from equishare.potential.config import ModelConfig
from equishare.potential.graph import AtomGraph
from equishare.potential.heads.dipole import conserved_charges
from equishare.potential.heads.head import State
from equishare.potential.operations import Operations

COULOMB = units.Hartree * units.Bohr
"""e² / 4πε₀ in eV·Å."""
WIDTH = 1.0
"""Of the Gaussians that carry the charges, in Å: what lies nearer than a few of them is the network's to learn."""
_MESH_ATOMS = 300
"""Cells of more atoms are summed on a mesh."""


class LongRangeError(EquishareError):
    """A structure has no Coulomb energy here, or what computes it is not installed."""


def check_periodic(pbc: Tensor) -> None:
    """See that structures, whose axes ``[graphs, 3]`` are periodic or not, have a Coulomb energy.

    Raises:
        LongRangeError: for a structure that is periodic along one or two axes only.
    """
    if bool((pbc.any(1) != pbc.all(1)).any()):
        raise LongRangeError(
            "the Coulomb energy is that of molecules and of crystals, got a structure that is periodic along some axes only"
        )


class LongRange(nn.Module):
    r"""Charges of the atoms, and the Coulomb energy of Gaussians that carry them.

    .. math:: E = \frac{1}{4 \pi \epsilon_0} \sum_{i < j} q_i q_j \frac{\mathrm{erf}(r_{ij} / \sqrt{2} w)}{r_{ij}}, \qquad
              q_i = \gamma_i \hat q_i - \frac{1}{N} \Big( \sum_j \gamma_j \hat q_j - Q \Big)

    The sum is over all pairs of a molecule, and over all images of a crystal (`torchpme`, Loche et al. 2025: Ewald's sum, and of large cells on a
    mesh, to 1e-5 there), whose charge a uniform background makes up for. At distances over 4 w = 4 Å it is that of point charges. Charges
    sum to the total charge Q of the structure: exact. Where a head reads charges they are the ones; else they are latent, learnt through the
    energy and the forces alone. Invariant under O(3), translations and permutations: exact, but for the mesh.

    Latent charges as in Cheng, "Latent Ewald summation for machine learning of long-range interactions" (2025).

    Args:
        config: Shape of the network.
        l_last: Highest degree of the last layer's features.

    Raises:
        LongRangeError: if torch-pme is not installed.
    """

    def __init__(self, config: ModelConfig, l_last: int) -> None:
        super().__init__()
        if importlib.util.find_spec("torchpme") is None:
            raise LongRangeError(
                "long_range: coulomb needs torch-pme, which is not installed: pip install 'equishare[longrange]'"
            )
        of_head = {"dipole", "charges"} & set(config.heads)
        self.charge = None if of_head else Readout(natural_irreps(config.channels, l_last), "0e", config.n_hidden)

    def charges(self, ops: Operations, state: State, heads: nn.ModuleDict) -> Any:
        """Charge of each atom in e."""
        readout: Any = self.charge if self.charge is not None else heads["dipole"].charge
        return conserved_charges(ops, readout, state)


@dataclass(eq=False)
class Space:
    """Where the atoms of a batch are, beside the vectors of its edges: what the Coulomb energy depends on.

    Attributes:
        positions: ``[atoms, 3]`` in Å, float64; a copy, so that derivatives by it leave out the edges.
        strain: ``[graphs, 3, 3]``, zero: the derivative by it is the virial.
        cell: ``[graphs, 3, 3]`` in Å.
        periodic: Whether each structure is a crystal.
        bounds: First atom of each structure, and the number of all.
        gradients: Derivatives of the energy by positions and strain, once they are asked for.
    """

    positions: Tensor
    strain: Tensor
    cell: Tensor
    periodic: list[bool]
    bounds: list[int]
    gradients: tuple[Tensor, Tensor] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, graph: AtomGraph) -> Space:
        """That of a batch.

        Raises:
            LongRangeError: for a structure that is periodic along one or two axes only.
        """
        positions = graph.positions.double()
        positions = positions.clone() if positions.requires_grad else positions.detach().clone().requires_grad_()
        volumes = torch.linalg.det(graph.cell).abs()
        given = graph.get("pbc")
        pbc = (volumes > 0).unsqueeze(1).expand(-1, 3) if given is None else given
        check_periodic(pbc)
        counts = torch.bincount(graph.atom_batch, minlength=graph.n_graphs)
        return cls(
            positions=positions,
            strain=positions.new_zeros(graph.n_graphs, 3, 3).requires_grad_(),
            cell=graph.cell.double(),
            periodic=pbc.all(1).tolist(),
            bounds=[0, *counts.cumsum(0).tolist()],
        )

    def coulomb(self, charges: Tensor) -> Tensor:
        """Coulomb energy of each atom in eV; half of every pair's."""
        charges = charges.double()
        parts = []
        for k, periodic in enumerate(self.periodic):
            own = slice(self.bounds[k], self.bounds[k + 1])
            stretch = torch.eye(3, dtype=self.strain.dtype, device=self.strain.device) + self.strain[k]
            positions, charge = self.positions[own] @ stretch, charges[own]
            potential = (
                _of_crystal(charge, positions, self.cell[k] @ stretch) if periodic else _of_pairs(charge, positions)
            )
            parts.append(COULOMB * charge * potential)
        return torch.cat(parts)


def _of_pairs(charges: Tensor, positions: Tensor) -> Tensor:
    """Half the potential at each atom, of all pairs of a molecule."""
    separation = positions.unsqueeze(1) - positions.unsqueeze(0)
    same = torch.eye(len(charges), dtype=separation.dtype, device=separation.device)
    # the root of zero has no derivative
    distance = (separation.square().sum(2) + same).sqrt()
    kernel = torch.erf(distance / (2**0.5 * WIDTH)) / distance * (1 - same)
    return 0.5 * kernel @ charges


def _of_crystal(charges: Tensor, positions: Tensor, cell: Tensor) -> Tensor:
    """Half the potential at each atom, of all images: there is nothing to sum in real space, for the Gaussians are the charges."""
    import torchpme

    gaussians = torchpme.CoulombPotential(smearing=WIDTH).to(positions)
    calculator = (
        torchpme.EwaldCalculator(gaussians, lr_wavelength=WIDTH / 2)
        if len(charges) <= _MESH_ATOMS
        else torchpme.PMECalculator(gaussians, mesh_spacing=WIDTH / 4, interpolation_nodes=6)
    ).to(positions)
    pairs = torch.zeros(0, 2, dtype=torch.long, device=positions.device)
    found: Tensor = calculator(charges.unsqueeze(1), cell, positions, pairs, positions.new_zeros(0))
    return found.squeeze(1)
