"""Parameters of several experiments, some of them one and the same: the sharing map of a global fit."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError


class ParameterMap:
    r"""A table of parameters [experiments, names] from free values: one for a shared name, one an experiment for the others.

    The table is :math:`\theta = B w`, so a Jacobian J by the table becomes J B (``reduce``), and the Fisher information of the
    free values :math:`B^\top I B`: sharing pools what the experiments know. The map is a ``SharingPattern`` (``pattern``); fit with
    any optimiser: ``scipy.optimize.least_squares(lambda w: residuals(map.expand(w)), map.project(guess))``. Names of free values
    are identifiers, as ``lmfit.create_params`` wants them.

    Args:
        names: parameters of one experiment.
        experiments: how many experiments.
        shared: names whose value is the same in all of them.

    Raises:
        SharingError: a name is unknown, given twice or another one's with its number, there is no experiment, or an array has another shape.

    >>> two_decays = ParameterMap(["amplitude", "lifetime"], 2, shared=["lifetime"])
    >>> two_decays.free_names
    ('amplitude_0', 'lifetime', 'amplitude_1')
    >>> two_decays.expand([3.0, 7.0, 4.0])
    array([[3., 7.],
           [4., 7.]])
    """

    def __init__(self, names: Sequence[str], experiments: int, *, shared: Sequence[str] = ()) -> None:
        self.names, self.experiments, self.shared = tuple(names), experiments, tuple(dict.fromkeys(shared))
        unknown = sorted(set(shared) - set(names))
        if unknown or len(set(names)) != len(self.names) or experiments < 1:
            raise SharingError(
                f"different names, shared ones among them, and at least one experiment expected; got names {self.names}, shared "
                f"{self.shared}, {experiments} experiments"
            )
        uses = [[name if name in self.shared else f"{name}_{e}" for name in self.names] for e in range(experiments)]
        self.free_names = tuple(dict.fromkeys(name for row in uses for name in row))
        free = len(self.shared) + (len(self.names) - len(self.shared)) * experiments
        if len(self.free_names) != free:
            raise SharingError(
                f"the numbered names of {experiments} experiments meet others among {self.names}, such as a shared a_0 beside an own a: "
                "rename them"
            )
        index = [[self.free_names.index(name) for name in row] for row in uses]
        self.pattern = IndexPattern(
            torch.tensor(index).reshape(experiments, len(self.names)), None, len(self.free_names)
        )

    def expand(self, free: Float[np.ndarray, "n_free"] | Sequence[float]) -> Float[np.ndarray, "experiments names"]:
        """The table of all experiments."""
        return self.pattern.expand(torch.as_tensor(np.asarray(free, dtype=np.float64))).numpy()

    def project(
        self, table: Float[np.ndarray, "experiments names"] | Sequence[Sequence[float]]
    ) -> Float[np.ndarray, "n_free"]:
        """The free values nearest to a table: a shared name takes the mean over the experiments.

        >>> ParameterMap(["a"], 2, shared=["a"]).project([[1.0], [3.0]])
        array([2.])
        """
        return self.pattern.project(torch.as_tensor(np.asarray(table, dtype=np.float64))).numpy()

    def reduce(self, jacobian: Float[np.ndarray, "*rows experiments names"]) -> Float[np.ndarray, "*rows n_free"]:
        """A derivative by the free values from one by the table: the sum over the uses of each.

        >>> ParameterMap(["a", "b"], 2, shared=["b"]).reduce(np.array([[1.0, 2.0], [3.0, 4.0]]))
        array([1., 6., 3.])
        """
        rows = np.asarray(jacobian, dtype=np.float64)
        if rows.shape[-2:] != self.pattern.shape:
            raise SharingError(
                f"a derivative of shape [..., {self.experiments}, {len(self.names)}] expected, got {list(rows.shape)}"
            )
        return rows.reshape(*rows.shape[:-2], self.pattern.numel) @ self.pattern.as_matrix().numpy()

    def __repr__(self) -> str:
        return f"ParameterMap({self.experiments} experiments, free: {', '.join(self.free_names)})"
