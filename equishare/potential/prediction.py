"""What a potential says of structures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from itertools import accumulate
from typing import Any

import numpy as np

from equishare.atoms.properties import PROPERTIES


@dataclass(frozen=True)
class Prediction:
    """Predictions for a batch of structures: tensors, or arrays where the potential ran on arrays.

    ================== ===================== ==================================================
    field              shape                 meaning
    ================== ===================== ==================================================
    energy             ``[graphs]``          total energy in eV, float64
    interaction_energy ``[graphs]``          energy without the isolated atoms' in eV
    node_energy        ``[atoms]``           energy of each atom in eV, float64; sums to energy
    forces             ``[atoms, 3]``        eV/Å
    stress             ``[graphs, 3, 3]``    eV/Å^3, ASE's sign; zero for a structure without cell
    deviations         ``[graphs, members]`` energies of a committee's members relative to their mean in eV, not calibrated
    energy_uncertainty ``[graphs]``          standard deviation in eV, calibrated
    forces_uncertainty ``[atoms]``           standard deviation of a force component in eV/Å, calibrated
    outputs            by name               every other property that the model reads out, as `equishare.atoms.PROPERTIES` says
    ================== ===================== ==================================================

    An output is an attribute as well: ``prediction.dipole`` is ``prediction.outputs["dipole"]``, and None where the model
    does not read it out.

    >>> Prediction(energy=0.0, interaction_energy=0.0, node_energy=0.0, outputs={"dipole": 1.0}).dipole
    1.0
    """

    energy: Any
    interaction_energy: Any
    node_energy: Any
    forces: Any = None
    stress: Any = None
    deviations: Any = None
    energy_uncertainty: Any = None
    forces_uncertainty: Any = None
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        if name in PROPERTIES:
            return self.outputs.get(name)
        raise AttributeError(f"a prediction has no {name!r}")

    def get(self, name: str) -> Any:
        """A property by its name in the table; None where it is not predicted."""
        return getattr(self, name)

    def map(self, change: Callable[[Any], Any]) -> "Prediction":
        """The same with every value changed."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "outputs"}
        changed = {name: None if value is None else change(value) for name, value in values.items()}
        return Prediction(**changed, outputs={name: change(value) for name, value in self.outputs.items()})

    def rows(self, sizes: list[int]) -> list[dict[str, Any]]:
        """One dictionary of NumPy values a structure: what is predicted, by name; energies of atoms as ``energies``.

        Args:
            sizes: Number of atoms of each structure.
        """
        per_graph = {"energy": self.energy, "stress": self.stress, "energy_uncertainty": self.energy_uncertainty}
        per_atom = {"forces": self.forces, "energies": self.node_energy, "forces_uncertainty": self.forces_uncertainty}
        for name, values in self.outputs.items():
            (per_atom if PROPERTIES[name].per_atom else per_graph)[name] = values
        rows: list[dict[str, Any]] = [{} for _ in sizes]
        for name, values in per_graph.items():
            if values is not None:
                for result, value in zip(rows, as_array(values), strict=True):
                    result[name] = np.array(value) if value.ndim else float(value)
        bounds = list(accumulate(sizes, initial=0))
        for name, values in per_atom.items():
            if values is not None:
                array = as_array(values)
                for result, start, stop in zip(rows, bounds[:-1], bounds[1:], strict=True):
                    result[name] = array[start:stop].copy()
        return rows


def as_array(values: Any) -> np.ndarray:
    """A tensor's numbers, or an array as it is."""
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()
