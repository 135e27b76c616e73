"""What is given with a structure and goes into the network: its charge, its spin, the method that labelled it."""

from typing import Any, cast

import torch
from torch import nn

from equishare.atoms.properties import PROPERTIES
from equishare.nn import Readout
from equishare.nn.e3.density_conv import natural_irreps
from equishare.potential.config import ModelConfig
from equishare.potential.operations import Operations


class Conditions(nn.Module):
    r"""Adds conditions of the structure to the invariants of its atoms, after the first layer.

    .. math:: x_i[00] \mathrel{+}= \sum_k n_k\, \frac{\gamma_i\, \mathrm{softplus}(w_k \cdot x_i)}{\sum_j \gamma_j\, \mathrm{softplus}(w_k \cdot x_j)}\; v_{k, \mathrm{sign}(n_k)}
              + \sum_m \gamma_i u_{m, c_m}

    A number n (the total charge, the unpaired electrons) is divided among the atoms as attention divides it, so that its parts sum
    to n whatever the size; a name c (the method) has a row of its own. Where every number is zero and every name the first one,
    nothing is added: a neutral singlet costs nothing, and predictions are those of a model without conditions. Invariant under O(3),
    translations and permutations: exact.

    The division of the charge follows Unke et al., "SpookyNet: learning force fields with electronic degrees of freedom and nonlocal
    effects" (2021).

    Args:
        config: Shape of the network; ``config.conditions`` names them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels = config.channels
        self.numbers = [name for name in config.conditions if isinstance(PROPERTIES[name].default, int)]
        self.names = [name for name in config.conditions if name not in self.numbers]
        self.rows = {"method": config.methods}
        scalars = natural_irreps(channels, 0)
        self.weights = nn.ModuleDict({name: Readout(scalars, "0e") for name in self.numbers})
        self.signs = nn.ParameterDict({name: 0.1 * torch.randn(2, channels) for name in self.numbers})
        self.tables = nn.ParameterDict(
            {name: torch.zeros(len(self.rows[name]) - 1, channels) for name in self.names if len(self.rows[name]) > 1}
        )

    def forward(self, ops: Operations, features: Any, bonding: Any, given: dict[str, Any]) -> Any:
        """Add what is not the default; `given` holds an array or tensor of integers ``[graphs]`` for each condition."""
        scalars = ops.scalars(features)
        added = None
        for name in self.numbers:
            number = given.get(name)
            if number is None or _all_are(number, PROPERTIES[name].default):
                continue
            share = bonding * ops.softplus(ops.read(cast(Readout, self.weights[name]), scalars))
            part = share / (ops.to_atoms(ops.sum_atoms(share)) + 1e-12)
            table = torch.cat([self.signs[name], torch.zeros_like(self.signs[name][:1])])
            excess = number - PROPERTIES[name].default
            sign = 0 * excess + 2 * (excess == 0) + (excess < 0)
            term = ops.column(part * ops.to_atoms(ops.real(excess))) * ops.to_atoms(ops.rows(table, sign))
            added = term if added is None else added + term
        for name, table in self.tables.items():
            row = given.get(name)
            if row is None or _all_are(row, 0):
                continue
            whole = torch.cat([torch.zeros_like(table[:1]), table])
            term = ops.column(bonding) * ops.to_atoms(ops.rows(whole, row))
            added = term if added is None else added + term
        return features if added is None else ops.with_scalars(features, added)


def _all_are(values: Any, default: Any) -> bool:
    """Whether nothing is to be added; never while a program is traced, which will meet other values."""
    if isinstance(values, torch.Tensor) and type(values) is not torch.Tensor:
        return False
    return not bool((values != default).any())
