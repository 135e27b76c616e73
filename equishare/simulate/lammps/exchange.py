"""What processes tell each other between the layers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from equishare.potential.arrays.operations import ArrayOperations
from equishare.potential.arrays.tape import Node
from equishare.simulate.lammps.domain import Domain


class GhostExchange:
    """The hook between the layers of `ArrayOperations`: features of ghosts come from their owners, gradients go back to them.

    Gradients of sum_j r_j E_j need more than that: a ghost lies elsewhere than its owner does, by a cell or a part of it. What goes from
    the ghost to the owner is the gradient of the moment *about the atom*, ``g' - r g`` with g that of sum_j E_j, and the owner puts
    its own position in: that is exact for every image.
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self._crossed: list[tuple[np.ndarray, np.ndarray]] | None = None
        self._moment: tuple[np.ndarray, Iterator[tuple[np.ndarray, np.ndarray]]] | None = None

    def forward(self, features: np.ndarray) -> None:
        """Overwrite the ghosts' features with those of their owners."""
        self.domain.forward(features)

    def reverse(self, gradient: np.ndarray) -> None:
        """Add the ghosts' gradients to those of their owners."""
        n = self.domain.n_own
        if self._moment is not None:
            self._reverse_moment(gradient, *self._moment)
        elif self._crossed is None:
            self.domain.reverse(gradient)
        else:
            ghosts, own = gradient[:, n:].copy(), gradient[:, :n].copy()
            self.domain.reverse(gradient)
            self._crossed.append((ghosts, gradient[:, :n] - own))

    @contextmanager
    def energy(self) -> Iterator[None]:
        """While sum_j E_j is differentiated for `moment` to follow."""
        self._crossed = []
        yield

    @contextmanager
    def moment(self, along: np.ndarray) -> Iterator[None]:
        """While sum_j r_j E_j is differentiated, with these positions of all atoms along an axis."""
        self._moment = along[:, None], iter(self._crossed or ())
        yield
        self._moment = None

    def _reverse_moment(
        self, gradient: np.ndarray, along: np.ndarray, crossed: Iterator[tuple[np.ndarray, np.ndarray]]
    ) -> None:
        n = self.domain.n_own
        of_ghosts, gained = next(crossed)
        about = np.zeros_like(gradient)
        about[:, n:] = gradient[:, n:] - along[n:] * of_ghosts
        self.domain.reverse(about)
        gradient[:, :n] += about[:, :n] + along[:n] * gained


class DomainOperations(ArrayOperations):
    """`ArrayOperations` on one process's atoms: sums over atoms are over those of all processes."""

    def __init__(self, domain: Domain, **options: Any) -> None:
        super().__init__(n_atoms=domain.n_own, **options)
        self.domain = domain

    def sum_atoms(self, numbers: Any) -> Any:
        """Sum over all processes' atoms, of which each process sees the same."""
        own = super().sum_atoms(numbers)

        def total(values: np.ndarray) -> np.ndarray:
            return self.domain.total(values).reshape(values.shape).astype(values.dtype)

        return own.map(total(own.value), total) if isinstance(own, Node) else total(own)
