"""ASE calculator of a fitted potential."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import (
    Calculator,
    CalculatorSetupError,
    PropertyNotImplementedError,
    all_changes,
)
from ase.outputs import Properties, all_outputs
from ase.stress import full_3x3_to_voigt_6_stress

from equishare.atoms.neighbours import Neighbours
from equishare.atoms.properties import outputs
from equishare.nn.e3.folding import fold
from equishare.potential import AtomGraph, Potential, base, hessian
from equishare.potential.arrays import ArrayPotential, Structure
from equishare.potential.frozen import frozen
from equishare.potential.given import conditions_of
from equishare.potential.prediction import Prediction, as_array
from equishare.simulate.dispersion import d3
from equishare.simulate.neighbours import NeighbourList


class EquishareCalculator(Calculator):
    """Energy, forces, stress, energies an atom, and where the model has them uncertainties and what its heads read, for ASE.

    The calculator holds a frozen copy of the potential: neither its device and precision nor its calls change the
    caller's. Neighbours are listed out to ``cutoff + skin`` and the list is kept until an atom has moved by more than half
    the skin, or elements, cell or boundary conditions change; each call keeps the pairs within the cutoff, so that results do not
    depend on the skin. Stress costs extra and is computed when asked for.

    A potential with a committee gives ``results["energy_uncertainty"]`` (standard deviation in eV) with every energy, and when
    asked for, ``get_property("forces_uncertainty", atoms)``: the standard deviation of a force component in eV/Å, for each atom, at
    the cost of a backward pass for each member.

    Args:
        potential: A potential, or the path of a model file.
        device: Where to run; None for the potential's own (a file: the CPU).
        dtype: float32 or float64; None for the potential's own.
        skin: Margin of the neighbour list in Å.
        dispersion: Functional, such as "pbe", whose D3(BJ) dispersion is added, see `d3`: for potentials whose data were
            computed without it. ``results["dispersion_energy"]`` holds its part of the energy.

    Raises:
        ValueError: for a skin that is negative or not finite.
        DeviceError: for a device or a precision that is none, or not there.
        DispersionError: if there is no dispersion for the functional, or its package is not installed.
        ModelFileError: if the path does not hold a model.
        UnknownSpeciesError: on calculation, for an element that the potential does not know.
        GraphError: on calculation, for a structure that has no graph (not finite, a cell without volume).
        BaseError: on calculation, where the potential adds to a cheap method and that fails.

    >>> from ase.build import molecule
    >>> from equishare.potential import ModelConfig
    >>> water = molecule("H2O")
    >>> water.calc = EquishareCalculator(Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0}))
    >>> water.get_forces().shape
    (3, 3)
    """

    name = "equishare"
    skin: float
    _kept: Atoms | None = None
    _list: NeighbourList | None
    implemented_properties = ["energy", "free_energy", "forces", "stress", "energies"]  # noqa: RUF012 (ASE's name and type)

    def __init__(
        self,
        potential: Potential | str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        skin: float = 1.0,
        dispersion: str | None = None,
    ) -> None:
        super().__init__()
        self.set(skin=skin)
        self.potential = frozen(potential, device, dtype)
        fold(self.potential)
        self.list_builds = 0
        self._arrays: ArrayPotential | None = None
        self.dispersion = None if dispersion is None else d3(dispersion)
        # the class's list is the smallest; this instance can do more
        extra = [row.name for row in outputs() if row.name in self.potential.reads]
        extra += [] if self.potential.committee is None else ["energy_uncertainty", "forces_uncertainty"]
        self.implemented_properties = [*type(self).implemented_properties, *extra]

    def set(self, **changes: Any) -> dict[str, Any]:
        """Change the skin, which results do not depend on; what else a calculator is made with, another one has to be made with.

        Raises:
            CalculatorSetupError: for another name.
            ValueError: for a skin that is negative or not finite.
        """
        unknown = changes.keys() - {"skin"}
        if unknown:
            raise CalculatorSetupError(
                f"expected skin alone, got {', '.join(sorted(unknown))}; make another calculator with it"
            )
        if "skin" not in changes:
            return {}
        if not 0 <= changes["skin"] < math.inf:
            raise ValueError(f"skin must be finite and not negative, got {changes['skin']} Å")
        self.skin, self._list = float(changes["skin"]), None
        return dict(changes)

    def export_properties(self) -> Properties:
        """The results that ASE has names for: a committee's and the dispersion's are in ``results`` alone."""
        return Properties({name: value for name, value in self.results.items() if name in all_outputs})

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute energy and forces; stress and the forces' uncertainty if they are among the properties asked for."""
        if atoms is not None:
            self._remember(atoms)
        structure = self.atoms
        if structure is None:
            raise ValueError("expected a structure to calculate, got none; call calculate(atoms), or set atoms.calc")
        stress = "stress" in properties
        if stress and structure.cell.rank < 3:
            raise PropertyNotImplementedError(
                f"stress needs a cell with three vectors, got {np.asarray(structure.cell).tolist()}"
            )
        predict = self._of_arrays if ArrayPotential.serves(self.potential) else self._of_tensors
        prediction = predict(structure, stress, "forces_uncertainty" in properties)
        (found,) = prediction.rows([len(structure)])
        self.results = {name: _exact(value) for name, value in found.items()}
        self.results["free_energy"] = self.results["energy"]
        if "stress" in found:
            self.results["stress"] = full_3x3_to_voigt_6_stress(self.results["stress"])
        if self.dispersion is not None:
            self._add_dispersion(self.dispersion, structure, stress)

    def _of_arrays(self, atoms: Atoms, stress: bool, uncertainty: bool) -> Prediction:
        if self._arrays is None:
            self._arrays = ArrayPotential(self.potential)
        pairs, config = self._pairs(atoms), self.potential.config
        structure = Structure(
            *(atoms.numbers, pairs.vectors, pairs.sender, pairs.receiver),
            positions=atoms.positions if config.heads else None,
            cell=atoms.cell.array if stress else None,
            conditions=conditions_of(atoms, config),
        )
        found = self._arrays(structure, stress=stress, forces_uncertainty=uncertainty)
        return found if config.base is None else _with_base(found, atoms, structure.conditions)

    def _of_tensors(self, atoms: Atoms, stress: bool, uncertainty: bool) -> Prediction:
        return self.potential(self._graph(atoms), stress=stress, forces_uncertainty=uncertainty)

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """What has changed since the last calculation: equal to the bit or not, for a tenth of the time of ASE's tolerance."""
        if self.atoms is None:
            return list(all_changes)
        pairs = {name: (getattr(self.atoms, name), getattr(atoms, name)) for name in ("positions", "numbers", "pbc")}
        pairs["cell"] = self.atoms.cell.array, atoms.cell.array
        changed = [name for name, (old, new) in pairs.items() if not np.array_equal(old, new)]
        config = self.potential.config
        if config.conditions and conditions_of(self.atoms, config) != conditions_of(atoms, config):
            changed.append("info")
        return changed

    def _remember(self, atoms: Atoms) -> None:
        """Keep the state of this calculation; where only positions or the cell differ, nothing else is copied."""
        kept = self._kept
        if kept is None or not (np.array_equal(kept.numbers, atoms.numbers) and np.array_equal(kept.pbc, atoms.pbc)):
            self.atoms = self._kept = atoms.copy()
            return
        kept.positions[:] = atoms.positions
        kept.cell[:] = atoms.cell.array
        kept.info = dict(atoms.info)
        self.atoms = kept

    def get_hessian(self, atoms: Atoms) -> np.ndarray:
        """Second derivatives of the energy in eV/Å^2, shape ``[3 atoms, 3 atoms]``, by automatic differentiation.

        `ase.vibrations.VibrationsData.from_2d` takes it. Use ``dtype=torch.float64`` where low frequencies matter.
        """
        matrix = as_array(hessian(self.potential, self._graph(atoms))).astype(np.float64)
        return matrix if self.dispersion is None else matrix + self.dispersion.get_property("hessian", atoms)

    def _add_dispersion(self, dispersion: Calculator, atoms: Atoms, stress: bool) -> None:
        forces = dispersion.get_forces(atoms)
        energy = float(dispersion.get_potential_energy(atoms))  # computed with the forces
        self.results["dispersion_energy"] = energy
        for name in ("energy", "free_energy"):
            self.results[name] += energy
        # an energy of atoms that leaves out the dispersion would not sum to the energy
        self.results["energies"] = self.results["energies"] + energy / len(atoms)
        self.results["forces"] = self.results["forces"] + forces
        if stress:
            self.results["stress"] = self.results["stress"] + dispersion.get_stress(atoms)

    def _pairs(self, atoms: Atoms) -> Neighbours:
        if self._list is None or not self._list.covers(atoms, self.skin):
            self._list = NeighbourList.of(atoms, self.potential.cutoff + self.skin)
            self.list_builds += 1
        return self._list.within(atoms, self.potential.cutoff)

    def _graph(self, atoms: Atoms) -> AtomGraph:
        pairs = self._pairs(atoms)
        device = self.potential.device
        given = {name: torch.tensor([value]) for name, value in conditions_of(atoms, self.potential.config).items()}
        if self.potential.config.beyond_edges:
            given["pbc"] = torch.from_numpy(atoms.pbc[None].copy())
        return AtomGraph(
            numbers=torch.from_numpy(atoms.numbers.astype(np.int64)).to(device),
            positions=torch.from_numpy(atoms.positions.copy()).to(device),
            cell=torch.from_numpy(np.array(atoms.cell)[None]).to(device),
            edge_index=torch.from_numpy(np.stack([pairs.sender, pairs.receiver])).to(device),
            edge_shift=torch.from_numpy(pairs.shift).to(device),
            **{name: value.to(device) for name, value in given.items()},
        )


def _with_base(prediction: Prediction, atoms: Atoms, conditions: Mapping[str, int]) -> Prediction:
    """A prediction of arrays, and what the cheap method says of the structure, together."""
    cell = base.periodic_cell(atoms.cell.array, atoms.pbc)
    states = {name: conditions[name] for name in ("charge", "spin") if name in conditions}
    found = base.xtb(atoms.numbers, atoms.positions, cell, **states)
    stress = found.virial[None] / (1.0 if cell is None else atoms.get_volume())
    return base.joined(prediction, found.energies.sum()[None], found.energies, found.forces, stress)


def _exact(value: Any) -> Any:
    """In float64: ASE integrates and compares in it."""
    return value.astype(np.float64) if isinstance(value, np.ndarray) else value
