"""The static dipole polarizability, a sum over atoms."""

from typing import Any

import torch
from torch import Tensor

from equishare.nn import Readout, clebsch_gordan
from equishare.nn.e3.density_conv import natural_irreps
from equishare.potential.config import ModelConfig
from equishare.potential.heads.head import Head, State
from equishare.potential.operations import Operations


class PolarizabilityHead(Head):
    r"""Polarizability of a structure, dD/dF for a static field F: a symmetric matrix, the sum of those of its atoms.

    .. math:: \alpha = \sum_i \gamma_i \Big( a_i \, 1 + \sum_m C^{1 1 2}_{\cdot \cdot m} t_{im} \Big)

    with an invariant a and five components t of degree 2 read of each atom. In e·Å²/V, as the dipole in e·Å over the field in V/Å; a
    polarizability volume in Å^3 is 14.3996 (e²/4πε₀ in eV·Å) times it, and an atomic unit is 0.01029 e·Å²/V. Equivariant under O(3),
    α(R r) = R α(r) Rᵀ, invariant under translations and permutations: exact.

    Sum over atoms as in Wilkins et al., "Accurate molecular polarizabilities with coupled cluster theory and machine learning" (2019).
    """

    degree = 2
    _unit: Tensor
    _traceless: Tensor

    def __init__(self, config: ModelConfig, l_last: int) -> None:
        super().__init__(config, l_last)
        irreps = natural_irreps(config.channels, l_last)
        self.isotropic = Readout(irreps, "0e", config.n_hidden)
        self.anisotropic = Readout(irreps, "2e")
        # in float64 until the potential is moved to another type: to float32 first would round it for good
        self.register_buffer("_unit", torch.eye(3, dtype=torch.float64).reshape(9, 1), persistent=False)
        self.register_buffer("_traceless", clebsch_gordan(1, 1, 2).reshape(9, 5), persistent=False)

    def forward(self, ops: Operations, state: State) -> dict[str, Any]:
        """Polarizability of each structure, ``[graphs, 3, 3]`` in e·Å²/V."""
        last, bonding = state.features[-1], state.bonding
        scalar = ops.read(self.isotropic, ops.read_inputs(self.isotropic, last)) * bonding
        tensor = ops.read(self.anisotropic, ops.read_inputs(self.anisotropic, last)) * ops.column(bonding)
        matrix = ops.affine(ops.column(scalar), self._unit) + ops.affine(tensor, self._traceless)
        return {"polarizability": ops.plain(ops.sum_atoms(matrix)).reshape(-1, 3, 3)}
