"""TorchSim: many structures at once."""

import os
from typing import Any

import numpy as np
import torch
import torch_sim
from ase import Atoms
from torch_sim.models.interface import ModelInterface

from equishare.potential import Potential, collate
from equishare.potential.frozen import frozen
from equishare.potential.given import conditioned_graph


class EquishareModel(ModelInterface):
    """A potential as TorchSim's `ModelInterface`: energy, forces, stress of all systems of a state in one batch.

    TorchSim's integrators, optimisers and batching take it as ``model``. Conditions, such as a charge, are the defaults.

    Args:
        potential: A potential, or the path of a model file.
        device: Where to run; None for the potential's own (a file: the CPU).
        dtype: float32 or float64; None for the potential's own.

    Raises:
        DeviceError: for a device or a precision that is none, or not there.
        ModelFileError: if the path does not hold a model.
        UnknownSpeciesError: when called, for an element that the potential does not know.
    """

    def __init__(
        self,
        potential: Potential | str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.potential = frozen(potential, device, dtype)
        self._device, self._dtype = self.potential.device, self.potential.dtype
        self._compute_stress = self._compute_forces = True

    def forward(self, state: Any, **_: Any) -> dict[str, torch.Tensor]:
        """Predict every system of a state: ``energy [systems]``, ``forces [atoms, 3]``, ``stress [systems, 3, 3]``."""
        if isinstance(state, dict):
            state = torch_sim.SimState(**state, masses=torch.ones_like(state["positions"][:, 0]))
        graphs = [conditioned_graph(atoms, self.potential.config) for atoms in _structures(state)]
        with torch.no_grad():
            found = self.potential(collate(graphs).to(self.device), stress=True)
        return {
            "energy": found.energy.to(self.dtype),
            "forces": found.forces.to(self.dtype),
            "stress": found.stress.to(self.dtype),
        }


def _structures(state: Any) -> list[Atoms]:
    """The systems as ASE has them, whose cell vectors are rows."""
    positions = state.positions.detach().cpu().double().numpy()
    cells = state.cell.detach().cpu().double().numpy().transpose(0, 2, 1)
    numbers, systems = state.atomic_numbers.cpu().numpy(), state.system_idx.cpu().numpy()
    pbc = state.pbc.tolist() if isinstance(state.pbc, torch.Tensor) else state.pbc
    bounds = np.searchsorted(systems, np.arange(len(cells) + 1))
    return [
        Atoms(numbers[a:b], positions[a:b], cell=cell, pbc=pbc)
        for a, b, cell in zip(bounds, bounds[1:], cells, strict=False)
    ]
