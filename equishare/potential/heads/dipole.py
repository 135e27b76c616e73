"""The dipole moment, from partial charges and atomic dipoles."""

from typing import Any

from equishare.nn import Readout
from equishare.nn.e3.density_conv import natural_irreps
from equishare.potential.config import ModelConfig
from equishare.potential.heads.head import Head, State
from equishare.potential.operations import Operations


def conserved_charges(ops: Operations, readout: Readout, state: State) -> Any:
    """Charge of each atom in e, as the readout has it but for what makes their sum the structure's charge."""
    charge = ops.read(readout, ops.read_inputs(readout, state.features[-1])) * state.bonding
    excess = ops.sum_atoms(charge)
    if state.charge is not None:
        excess = excess - state.charge
    return charge - ops.to_atoms(excess / ops.sum_atoms(0 * state.bonding + 1))


class DipoleHead(Head):
    r"""Dipole of a structure: its atoms' charges and dipoles.

    .. math:: D = \sum_i (q_i\, r_i + \mu_i), \qquad q_i = \gamma_i \hat q_i - \frac{1}{N} \Big( \sum_j \gamma_j \hat q_j - Q \Big)

    where the charges sum to the total charge Q, and positions count from the origin of the coordinates. Equivariant under O(3) and
    permutations, and D(r + t) = D(r) + Q t: exact.
    """

    degree = 1

    def __init__(self, config: ModelConfig, l_last: int) -> None:
        super().__init__(config, l_last)
        irreps = natural_irreps(config.channels, l_last)
        self.charge = Readout(irreps, "0e", config.n_hidden)
        self.atomic_dipole = Readout(irreps, "1o")

    def forward(self, ops: Operations, state: State) -> dict[str, Any]:
        """Dipole of each structure in e·Å, charge of each atom in e."""
        last, bonding = state.features[-1], state.bonding
        charge = conserved_charges(ops, self.charge, state)
        vector = ops.read(self.atomic_dipole, ops.read_inputs(self.atomic_dipole, last)) * ops.column(bonding)
        dipole = ops.sum_atoms(ops.column(charge) * state.positions + vector)
        if state.charge is not None:
            dipole = dipole + ops.column(state.charge) * state.origin
        return {"dipole": dipole, "charges": charge}
