"""The energy of each atom."""

from collections.abc import Sequence
from typing import Any, cast

from torch import nn

from equishare.nn import Readout
from equishare.nn.e3.density_conv import natural_irreps
from equishare.potential.config import ModelConfig
from equishare.potential.operations import Operations


class EnergyHead(nn.Module):
    r"""Energy of each atom, not yet scaled, from the invariants after every layer.

    .. math:: e_i = \sum_t \mathrm{Readout}_t(x_i^{(t)})

    Linear but for the last layer's, which has a hidden layer. Invariant under O(3), translations and permutations: exact.

    Args:
        config: Shape of the network.
        degrees: Highest degree of the features after each layer.
    """

    def __init__(self, config: ModelConfig, degrees: Sequence[int]) -> None:
        super().__init__()
        self.readouts = nn.ModuleList(
            Readout(natural_irreps(config.channels, degree), "0e", width)
            for degree, width in zip(degrees, self.hidden(config), strict=True)
        )
        self.n_inputs = self.inputs(config)

    @staticmethod
    def hidden(config: ModelConfig) -> list[int | None]:
        """Width of each readout's hidden layer; None: it has none."""
        return [None] * (config.layers - 1) + [config.n_hidden]

    @classmethod
    def inputs(cls, config: ModelConfig) -> int:
        """How many numbers the last linear maps of all readouts read of an atom."""
        return sum(width or config.channels for width in cls.hidden(config))

    def forward(self, ops: Operations, features: list[Any], last: tuple[Any, Any]) -> tuple[Any, list[Any]]:
        """(energies, inputs of the last linear map of each readout); `last` is what was read of the last layer."""
        readouts = cast(list[Readout], list(self.readouts)[:-1])
        inputs = [ops.read_inputs(readout, found) for readout, found in zip(readouts, features[:-1], strict=True)]
        numbers = [ops.read(readout, each) for readout, each in zip(readouts, inputs, strict=True)]
        first, *others = *numbers, last[1]
        return sum(others, start=first), [*inputs, last[0]]

    @property
    def last(self) -> Readout:
        """What reads the last layer."""
        return cast(Readout, self.readouts[-1])
