"""What every head is."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from torch import nn

from equishare.potential.config import ModelConfig
from equishare.potential.operations import Operations


class State(NamedTuple):
    """What heads read.

    Attributes:
        features: After each layer, of all atoms.
        bonding: γ of each atom.
        positions: ``[atoms, 3]`` in Å, counted from `origin`.
        origin: ``[graphs, 3]`` in Å, the middle of each structure.
        charge: Total charge of each structure in e; None: all neutral.
    """

    features: list[Any]
    bonding: Any
    positions: Any
    origin: Any
    charge: Any | None = None


class Head(nn.Module, ABC):
    """Reads a property out of the features: ``head(ops, state)`` gives it by name.

    A head is written against `Operations`, so it runs on tensors and on arrays. `degree` is the highest degree of the last
    layer's features that it reads. Its constructor takes the shape of the network and that of the last layer, `l_last`.
    """

    degree: ClassVar[int]

    def __init__(self, config: ModelConfig, l_last: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, ops: Operations, state: State) -> dict[str, Any]:
        """Properties by their names in `equishare.atoms.PROPERTIES`, with values for each structure or atom."""
