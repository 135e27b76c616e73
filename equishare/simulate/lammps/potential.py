"""A potential on the atoms of one process."""

import os
from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np
import torch
from ase import Atoms

from equishare.atoms.properties import PROPERTIES, Property
from equishare.nn.e3.folding import fold
from equishare.potential import UnknownSpeciesError, load
from equishare.potential.arrays import ArrayPotential
from equishare.potential.arrays.tape import Node
from equishare.potential.density_net import DensityLayer
from equishare.potential.given import Given, conditions_of
from equishare.potential.potential import AtomEnergies
from equishare.simulate.lammps.domain import Domain
from equishare.simulate.lammps.errors import LAMMPSError
from equishare.simulate.lammps.exchange import DomainOperations, GhostExchange


class DomainPotential:
    r"""A model file evaluated on a `Domain`: energies, their derivative by the edge vectors, and what per-atom virials are made of.

    Every number is that of the whole structure, to rounding, however atoms are divided among processes: exact. Ghosts are needed
    within one cutoff only, whatever the number of layers.

    The virial of atom i that belongs to the heat flux, see `docs/guides/lammps.md`, is made of derivatives of the energies' first moments:

    .. math:: W_i = \sum_j (r_i - r_j) \otimes \Big(-\frac{\partial E_j}{\partial r_i}\Big)
              = \frac{\partial \sum_j r_j E_j}{\partial r_i} - r_i \otimes \frac{\partial \sum_j E_j}{\partial r_i}

    Args:
        path: Model file.
        elements: Symbols that species of a domain stand for.
        options: "float32" or "float64" for another precision than the file's; the name and value of conditions, as
            ``["charge", "-1"]``.

    Raises:
        ModelFileError: if the file is not a model file.
        UnknownSpeciesError: if the potential does not know an element.
        LAMMPSError: for another option, or a potential that sees beyond its cutoff; when called, for a result that is not finite.
        ConditionError: for a condition that the model has not learnt.

    Fan, Pereira, Wang, Zheng, Donadio and Harju, "Force and heat current formulas for many-body potentials in molecular dynamics
    simulations" (2015); Langer, Frank and Knoop, "Stress and heat flux via automatic differentiation" (2023).
    """

    def __init__(self, path: str | os.PathLike[str], elements: Sequence[str], options: Sequence[str] = ()) -> None:
        precision, info = _options(list(options))
        potential = load(path, dtype=precision).requires_grad_(False)
        unknown = [symbol for symbol in elements if symbol not in potential.species]
        if unknown:
            raise UnknownSpeciesError(
                f"{path} knows {', '.join(potential.species)}, but pair_coeff names {', '.join(unknown)}"
            )
        absent = [name for name in info if name not in potential.config.conditions]
        if absent:
            raise LAMMPSError(f"{path} takes no {', '.join(absent)}: it was not trained with such a condition")
        if potential.long_range is not None:
            raise LAMMPSError(
                f"{path} has a Coulomb energy of all atoms, which pair_style equishare does not compute; train without --long-range, or run it "
                "by ASE: equishare md"
            )
        if potential.config.base is not None:
            raise LAMMPSError(
                f"{path} adds to GFN2-xTB, which pair_style equishare does not compute; train without --base, or run it by ASE: equishare md"
            )
        fold(potential)
        self.potential, self.arrays = potential, ArrayPotential(potential)
        self.conditions = {
            name: np.array([value]) for name, value in conditions_of(Atoms(info=info), potential.config).items()
        }
        self._species = np.array([potential.species.index(symbol) for symbol in elements])
        self.cutoff = potential.cutoff
        self.committee = potential.committee
        layers = cast(Iterable[DensityLayer], potential.net.layers)
        widest = max(layer.dim_out for layer in layers) * potential.config.channels
        # the committee's forces are exchanged too
        self.exchange_bytes = max(widest * self.arrays.dtype.itemsize, 3 * np.dtype(np.float64).itemsize)

    def __call__(self, domain: Domain) -> None:
        """Fill in the results."""
        if domain.moments is not None and self._is_shared():
            raise LAMMPSError(
                "the energy of a charge or spin that is shared among all atoms does not flow from atom to atom: there is no virial "
                "of each atom; leave out stress/atom and heat/flux"
            )
        exchange = GhostExchange(domain)
        ops = DomainOperations(
            domain,
            weights=self.arrays.weights,
            vectors=domain.vectors.astype(self.arrays.dtype),
            species=self._species[np.maximum(domain.species, 0)],
            ends=(domain.sender, domain.receiver),
            exchange=exchange,
            derives=domain.moments is None and domain.forces_uncertainty is None,
        )
        try:
            with torch.no_grad():
                atoms = self.potential.energies(ops, Given(None, None, None, self.conditions))
                domain.energies[:] = np.where(domain.species[: domain.n_own] < 0, 0.0, atoms.total)
                with exchange.energy():
                    domain.gradient[:] = ops.gradient(atoms.interaction)
                _check_finite(domain)
                if domain.moments is not None:
                    self._moments(domain, ops, exchange, atoms.interaction)
                self._uncertainties(domain, ops, atoms)
        finally:
            ops.tape.steps.clear()

    def _moments(self, domain: Domain, ops: DomainOperations, exchange: GhostExchange, energy: Node) -> None:
        # counted from the middle of the domain: float32 does not depend on where the domain is
        middle = domain.positions[: domain.n_own].mean(axis=0) if domain.n_own else np.zeros(3)
        for axis in range(3):
            along = (domain.positions[:, axis] - middle[axis]).astype(self.arrays.dtype)
            with exchange.moment(along):
                found = ops.gradient(energy, along[: domain.n_own])
            domain.moments[axis] = found + middle[axis] * domain.gradient  # type: ignore[index]

    def _uncertainties(self, domain: Domain, ops: DomainOperations, atoms: AtomEnergies) -> None:
        if self.committee is None:
            return
        directions = self.arrays.weights.array(self.committee.directions)
        if domain.energy_uncertainty is not None:
            deviations = directions @ domain.total(atoms.read.value.sum(axis=0, dtype=np.float64))
            domain.energy_uncertainty[0] = self.committee.energy_factor * float(np.square(deviations).sum() ** 0.5)
        if domain.forces_uncertainty is not None:
            square = np.zeros(domain.n_own)
            for row in directions[: self.committee.members]:
                slope = ops.gradient(atoms.read, row)
                forces = (ops.at_receivers(slope) - ops.at_senders(slope)).T[:, :, None].copy()
                domain.reverse(forces)
                square += np.square(forces[:, : domain.n_own, 0]).mean(axis=0)
            domain.forces_uncertainty[:] = self.committee.forces_spread(square)

    def _is_shared(self) -> bool:
        return any(
            value[0] != PROPERTIES[name].default
            for name, value in self.conditions.items()
            if isinstance(PROPERTIES[name].default, int)
        )


def _check_finite(domain: Domain) -> None:
    if np.isfinite(domain.energies.sum()) and np.isfinite(domain.gradient.sum()):
        return
    raise LAMMPSError(
        "the energy or a force is not finite: the run explodes; try a shorter time step, or minimise the start"
    )


def _options(words: list[str]) -> tuple[torch.dtype | None, dict[str, float | str]]:
    """Precision and conditions."""
    precision, info = None, {}
    while words:
        word = words.pop(0)
        if word in ("float32", "float64"):
            precision = getattr(torch, word)
        elif word in PROPERTIES and PROPERTIES[word].role == "condition" and words:
            info[word] = _value(PROPERTIES[word], words.pop(0))
        else:
            raise LAMMPSError(
                "pair_style equishare takes float32 or float64 (the precision, if not that of the model file) and conditions "
                f"that the model learnt, such as charge -1; got {word!r}"
            )
    return precision, info


def _value(condition: Property, word: str) -> float | str:
    if isinstance(condition.default, str):
        return word
    try:
        return float(word)
    except ValueError:
        raise LAMMPSError(f"expected {condition.expected} as the {condition.name}, got {word!r}") from None
