"""ASE calculator of a fitted potential."""

import copy
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from equishare.atoms.neighbours import Neighbours
from equishare.nn.e3.folding import fold
from equishare.potential import AtomGraph, Potential, hessian, load
from equishare.potential.frozen_potential import FrozenPotential
from equishare.simulate.dispersion import d3
from equishare.simulate.neighbours import NeighbourList


class EquishareCalculator(Calculator):
    """Energy, forces, stress, energies an atom, and where the model has them dipole, charges and uncertainties, for ASE.

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
        dtype: Precision; None for the potential's own.
        skin: Margin of the neighbour list in Å.
        dispersion: Functional, such as "pbe", whose D3(BJ) dispersion is added, see `d3`: for potentials whose data were
            computed without it. ``results["dispersion_energy"]`` holds its part of the energy.

    Raises:
        ValueError: for a negative skin.
        DispersionError: if there is no dispersion for the functional, or its package is not installed.
        ModelFileError: if the path does not hold a model.
        UnknownSpeciesError: on calculation, for an element that the potential does not know.
        GraphError: on calculation, for a structure that has no graph (not finite, a cell without volume).

    >>> from ase.build import molecule
    >>> from equishare.potential import ModelConfig
    >>> water = molecule("H2O")
    >>> water.calc = EquishareCalculator(Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0}))
    >>> water.get_forces().shape
    (3, 3)
    """

    name = "equishare"
    implemented_properties = ["energy", "free_energy", "forces", "stress", "energies"]  # noqa: RUF012 (ASE's name and type)

    def __init__(
        self,
        potential: Potential | str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        skin: float = 1.0,
        dispersion: str | None = None,
    ) -> None:
        super().__init__()
        if not skin >= 0:
            raise ValueError(f"skin must not be negative, got {skin} Å")
        own = copy.deepcopy(potential) if isinstance(potential, Potential) else load(potential)
        self.potential = own.to(device=device or own.device, dtype=dtype or own.dtype).eval().requires_grad_(False)
        fold(self.potential)
        self.skin = float(skin)
        self.list_builds = 0
        self._list: NeighbourList | None = None
        self._frozen: FrozenPotential | None = None
        self.dispersion = None if dispersion is None else d3(dispersion)
        # the class's list is the smallest; this instance can do more
        extra = ["dipole", "charges"] if self.potential.config.dipole else []
        extra += [] if self.potential.committee is None else ["energy_uncertainty", "forces_uncertainty"]
        self.implemented_properties = [*type(self).implemented_properties, *extra]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute energy and forces; stress and the forces' uncertainty if they are among the properties asked for."""
        super().calculate(atoms, properties, system_changes)
        structure = self.atoms
        if structure is None:
            raise ValueError("expected a structure to calculate, got none; call calculate(atoms), or set atoms.calc")
        stress = "stress" in properties
        if stress and structure.cell.rank < 3:
            raise PropertyNotImplementedError(
                f"stress needs a cell with three vectors, got {np.asarray(structure.cell).tolist()}"
            )
        results = self._frozen_results if FrozenPotential.serves(self.potential) else self._results
        self.results = results(structure, stress, "forces_uncertainty" in properties)
        if self.dispersion is not None:
            self._add_dispersion(self.dispersion, structure, stress)

    def _frozen_results(self, atoms: Atoms, stress: bool, uncertainty: bool) -> dict[str, Any]:
        """By compiled loops: all but dipoles and charges."""
        if self._frozen is None:
            self._frozen = FrozenPotential(self.potential)
        pairs = self._pairs(atoms)
        prediction = self._frozen(atoms.numbers, pairs.vectors, pairs.sender, pairs.receiver, uncertainty)
        found = _of_energies(prediction.energies) | {"forces": pairs.forces(prediction.gradient, len(atoms))}
        if stress:
            found["stress"] = full_3x3_to_voigt_6_stress(pairs.virial(prediction.gradient) / atoms.get_volume())
        if (committee := self.potential.committee) is not None:
            found["energy_uncertainty"] = prediction.energy_uncertainty
            if uncertainty:
                deviations = [pairs.forces(gradient, len(atoms)) for gradient in prediction.of_members]
                found["forces_uncertainty"] = committee.forces_spread(
                    sum(np.square(f).mean(axis=1) for f in deviations)
                )
        return found

    def _results(self, atoms: Atoms, stress: bool, uncertainty: bool) -> dict[str, Any]:
        prediction = self.potential(self._graph(atoms), stress=stress, forces_uncertainty=uncertainty)
        found = _of_energies(_numpy(prediction.node_energy)) | {"forces": _numpy(prediction.forces)}
        if stress:
            found["stress"] = full_3x3_to_voigt_6_stress(_numpy(prediction.stress)[0])
        if prediction.dipole is not None and prediction.charges is not None:
            found["dipole"] = _numpy(prediction.dipole)[0]
            found["charges"] = _numpy(prediction.charges)
        if prediction.energy_uncertainty is not None:
            found["energy_uncertainty"] = float(prediction.energy_uncertainty.detach())
        if prediction.forces_uncertainty is not None:
            found["forces_uncertainty"] = _numpy(prediction.forces_uncertainty)
        return found

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """What has changed since the last calculation: equal to the bit or not, for a tenth of the time of ASE's tolerance."""
        if self.atoms is None:
            return list(all_changes)
        pairs = {name: (getattr(self.atoms, name), getattr(atoms, name)) for name in ("positions", "numbers", "pbc")}
        pairs["cell"] = self.atoms.cell.array, atoms.cell.array
        return [name for name, (old, new) in pairs.items() if not np.array_equal(old, new)]

    def get_hessian(self, atoms: Atoms) -> np.ndarray:
        """Second derivatives of the energy in eV/Å^2, shape ``[3 atoms, 3 atoms]``, by automatic differentiation.

        `ase.vibrations.VibrationsData.from_2d` takes it. Use ``dtype=torch.float64`` where low frequencies matter.
        """
        matrix = _numpy(hessian(self.potential, self._graph(atoms)))
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
        device, dtype = self.potential.device, self.potential.dtype
        # the model does not depend on the origin; float32 does
        centred = atoms.positions - atoms.positions.mean(axis=0)
        return AtomGraph(
            numbers=torch.from_numpy(atoms.numbers.astype(np.int64)).to(device),
            positions=torch.from_numpy(centred).to(device, dtype),
            cell=torch.from_numpy(np.array(atoms.cell)[None]).to(device, dtype),
            edge_index=torch.from_numpy(np.stack([pairs.sender, pairs.receiver])).to(device),
            edge_shift=torch.from_numpy(pairs.shift).to(device, dtype),
            num_nodes=len(atoms),
        )


def _of_energies(energies: np.ndarray) -> dict[str, Any]:
    """What ASE knows of the energies of atoms."""
    energy = float(energies.sum())
    return {"energy": energy, "free_energy": energy, "energies": energies}


def _numpy(tensor: torch.Tensor | None) -> np.ndarray:
    """Float64 array of a result; ASE integrates and compares in float64."""
    if tensor is None:
        raise TypeError("expected the model to predict this quantity, got None")
    return tensor.detach().to("cpu", torch.float64).numpy()
