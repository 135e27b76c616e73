"""The small interface that the network, its heads and the potential are written against.

It has two sides: `equishare.potential.torch_operations` and `equishare.potential.arrays`. What each operation does is said here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from torch import Tensor

from equishare.nn import ChannelProduct, IrrepsLinear, Readout
from equishare.ops.edge_functions.torch import Radial

if TYPE_CHECKING:
    from equishare.potential.density_net import DensityLayer
    from equishare.potential.repulsion import ZBL


@runtime_checkable
class LayerOperations(Protocol):
    """What a layer does with some atoms and the edges that they receive.

    Values are tensors, or nodes of the tape over arrays (`equishare.potential.arrays`); features come in the layout of their side.
    """

    def skip(self, layer: "DensityLayer", features: Any) -> Any:
        """The features mapped by ``layer.skip`` and scaled by species; irreps that they lack are zero."""
        ...

    def density(self, layer: "DensityLayer", features: Any, table: Tensor | None) -> Any:
        """Sums over neighbours, channels mixed; `table` holds the features of each species, where they depend on it alone."""
        ...

    def product(self, layer: ChannelProduct, left: Any, right: Any | None = None) -> Any:
        """Channel-wise product with path weights by species; of `left` with itself where there is no `right`."""
        ...

    def linear(self, layer: IrrepsLinear, features: Any, onto: Any) -> Any:
        """A linear map per irrep, added to `onto`, which is not used afterwards."""
        ...


@runtime_checkable
class Operations(Protocol):
    """What the network, its heads and the potential do with all atoms of a batch.

    Numbers of atoms are ``[atoms]`` or ``[atoms, n]``; +, -, * and / act on them on either side.

    Attributes:
        vectors: Of the edges, from receiver to sender, in Å.
    """

    vectors: Any

    def repel(self, repulsion: "ZBL") -> Any | None:
        """Repulsion energy of each atom; the network sees the vectors that it leaves. None: no pair feels it."""
        ...

    def coulomb(self, charges: Any) -> Any:
        """Coulomb energy of each atom; where the atoms are, the side knows."""
        ...

    def remote_forces(self) -> Any:
        """What the last `gradient` leaves out of the forces: those of the Coulomb energy at fixed charges, ``[atoms, 3]``."""
        ...

    def remote_virial(self) -> Any:
        """The same of the virial, ``[graphs, 3, 3]``."""
        ...

    def edge_functions(self, radial: Radial, l_max: int) -> Any:
        """Evaluate the functions of all edges for the layers to come; return the envelope of each edge."""
        ...

    def embed(self, table: Tensor) -> Any:
        """Invariant features of each atom, by its species."""
        ...

    def layer(self, layer: "DensityLayer", features: Any, table: Tensor | None) -> Any:
        """Run a layer for all atoms."""
        ...

    def last_layer(
        self, layer: "DensityLayer", features: Any, table: Tensor | None, readout: Readout, slope: Any
    ) -> tuple[Any, Any, Any]:
        """Run the layer that no other follows, and read a number of each atom: (features, inputs of the readout, numbers).

        `slope` is the derivative of what `gradient` will be asked for by these numbers: a side may compute its part of it at once.
        """
        ...

    def scalars(self, features: Any) -> Any:
        """The invariant channels, ``[atoms, channels]``."""
        ...

    def with_scalars(self, features: Any, more: Any) -> Any:
        """Features with something added to their invariant channels."""
        ...

    def read_inputs(self, readout: Readout, features: Any) -> Any:
        """What the readout's last linear map reads: ``[atoms, inputs]`` of 0e, else ``[atoms, components, inputs]``."""
        ...

    def read(self, readout: Readout, inputs: Any) -> Any:
        """The last linear map: ``[atoms]`` of 0e, else ``[atoms, components]``."""
        ...

    def affine(self, rows: Any, weight: Tensor) -> Any:
        """Rows @ weight.T."""
        ...

    def saturate(self, numbers: Any) -> Any:
        """1 - exp(-x)."""
        ...

    def softplus(self, numbers: Any) -> Any:
        """log(1 + exp)."""
        ...

    def real(self, integers: Any) -> Any:
        """Integers as numbers of the network's type."""
        ...

    def rows(self, table: Tensor, index: Any) -> Any:
        """Rows of a table."""
        ...

    def column(self, numbers: Any) -> Any:
        """``[n]`` as ``[n, 1]``."""
        ...

    def concatenate(self, parts: list[Any]) -> Any:
        """Join ``[atoms, n]`` along n."""
        ...

    def of_species(self, values: Mapping[str, float], exact: bool = False) -> Any:
        """The constant of each atom's element; in float64 if `exact`."""
        ...

    def exact(self, numbers: Any) -> Any:
        """The same in float64."""
        ...

    def sum_atoms(self, numbers: Any) -> Any:
        """Sum over the atoms of each structure: ``[graphs, ...]``."""
        ...

    def to_atoms(self, numbers: Any) -> Any:
        """Give each atom the number of its structure."""
        ...

    def at_receivers(self, numbers: Any) -> Any:
        """Sum of numbers of edges over the edges that each atom receives."""
        ...

    def at_senders(self, numbers: Any) -> Any:
        """The same over those that it sends."""
        ...

    def constant(self, tensor: Tensor) -> Any:
        """Numbers that no derivative is asked for."""
        ...

    def plain(self, numbers: Any) -> Any:
        """Numbers for the caller: a tensor, or an array that is on no tape."""
        ...

    def gradient(self, value: Any, seed: Any = None) -> Any:
        """Derivative by the edge vectors of the sum of `value`, weighted by `seed` if given: ``[edges, 3]``, no node any more."""
        ...
