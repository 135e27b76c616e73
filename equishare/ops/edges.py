"""Edges of a graph, with the orders in which sums over them run."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from equishare.errors import LayerError
from equishare.ops.backend import transformed


@dataclass(frozen=True, eq=False)
class Edges:
    """Directed edges sender -> receiver, as in PyG's ``edge_index``: row 0 sends, row 1 receives.

    Build it once a graph and hand it to every layer: the orderings are computed on first use.

    >>> edges = Edges(torch.tensor([[1, 0, 2], [0, 1, 1]]), 3)
    >>> len(edges), edges.n_atoms
    (3, 3)
    """

    edge_index: Int[Tensor, "2 edges"]
    n_atoms: int

    def __post_init__(self) -> None:
        index = self.edge_index
        if index.ndim != 2 or index.shape[0] != 2 or index.dtype != torch.int64:
            raise LayerError(
                f"expected edge_index of shape [2, edges] and dtype int64, got {list(index.shape)} of {index.dtype}"
            )
        if type(index) is not Tensor or torch.compiler.is_compiling() or transformed():
            return  # it only stands for one, while a program is traced: it has no numbers to look at
        if index.numel() and index.device.type == "cpu":
            low, high = int(index.min()), int(index.max())
            if low < 0 or high >= self.n_atoms:
                raise LayerError(f"edge_index names atoms {low}..{high}, but there are {self.n_atoms} atoms")

    def __len__(self) -> int:
        return self.edge_index.shape[1]

    @property
    def sender(self) -> Tensor:
        """Sending atom of each edge, shape ``[edges]``."""
        return self.edge_index[0]

    @property
    def receiver(self) -> Tensor:
        """Receiving atom of each edge, shape ``[edges]``."""
        return self.edge_index[1]

    @cached_property
    def receive_order(self) -> tuple[np.ndarray, np.ndarray]:
        """(edges sorted by receiver, where each receiver starts)."""
        atoms = self.edge_index[1].numpy()
        counts = np.bincount(atoms, minlength=self.n_atoms)
        return np.argsort(atoms, kind="stable"), np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def receive_order_on_device(self) -> tuple[Tensor, Tensor]:
        """`receive_order`, where the edges are."""
        return self._order_on_device(self.receiver)

    @cached_property
    def send_order_on_device(self) -> tuple[Tensor, Tensor]:
        """(edges sorted by sender, where each sender starts), where the edges are."""
        return self._order_on_device(self.sender)

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """(sender, receiver) as contiguous arrays."""
        index = self.edge_index.contiguous().numpy()
        return index[0], index[1]

    def _order_on_device(self, atoms: Tensor) -> tuple[Tensor, Tensor]:
        found, order = torch.sort(atoms, stable=True)
        return order, torch.searchsorted(found, torch.arange(self.n_atoms + 1, device=atoms.device))
