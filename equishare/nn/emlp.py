"""A whole equivariant multilayer perceptron for any group."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.representation import Representation
from equishare.nn.fields.bilinear import Bilinear
from equishare.nn.fields.gated_activation import GatedActivation
from equishare.nn.fields.shared_linear import SharedLinear
from equishare.nn.layer import FieldLayer, LayerError, require_whole

PRODUCT_FIELDS = 4  # copies of each field that are multiplied with each other


def tensors_up_to(vector: Representation, width: int, order: int) -> Representation:
    """About ``width`` numbers, shared alike by tensors of order 0 to ``order`` as far as they fit.

    >>> from equishare import groups
    >>> tensors_up_to(groups.so(3).defining(), 36, 2)
    12*trivial(SO(3)) + 4*defining(SO(3)) + defining(SO(3)) * defining(SO(3))
    """
    parts: list[Representation] = [vector.group.trivial(), vector]
    for _ in range(order - 1):
        parts.append(parts[-1] * vector)
    rep: Representation | None = None
    for part in parts[: order + 1]:
        count = max(1, width // (order + 1) // part.size)
        rep = count * part if rep is None else rep + count * part
    if rep is None:
        raise LayerError(f"an order of 0 or more expected, got {order}")
    return rep


class EMLPBlock(FieldLayer):
    """A linear map, products of a few of its fields added to it, gates.

    Linear maps and gates alone never make a length from a vector; the products do. Law: f(rho_in(g) x) = rho_out(g) f(x), exact.

    Args:
        rep_in: representation of the input.
        rep_out: representation of the output.
        factors: representation of each of the two factors of the product.

    Finzi, Welling & Wilson 2021.

    >>> import torch
    >>> from equishare import groups
    >>> V = groups.so(3).defining()
    >>> EMLPBlock(2 * V, tensors_up_to(V, 12, 1), V + V)(torch.randn(5, 6)).shape
    torch.Size([5, 12])
    """

    def __init__(self, rep_in: Representation, rep_out: Representation, factors: Representation) -> None:
        super().__init__(rep_in, rep_out)
        self.gate = GatedActivation(rep_out)
        self.linear = SharedLinear(rep_in, self.gate.rep_in)
        self.left, self.right = SharedLinear(rep_in, factors, bias=False), SharedLinear(rep_in, factors, bias=False)
        self.product = Bilinear(factors, factors, self.gate.rep_in)

    def forward(self, x: Float[Tensor, "batch in"]) -> Float[Tensor, "batch out"]:
        """The block."""
        return self.gate(self.linear(x) + 0.5 * self.product(self.left(x), self.right(x)))


class EMLP(FieldLayer):
    """An equivariant multilayer perceptron: blocks of linear maps, products and gates, then a linear map.

    Law: f(rho_in(g) x) = rho_out(g) f(x), exact.

    Args:
        rep_in: representation of the input.
        rep_out: representation of the output.
        width: numbers in each hidden layer.
        layers: hidden layers.
        order: highest order of the hidden tensors.
        vector: the representation whose tensors the hidden layers hold; the group's defining one by default.

    Raises:
        LayerError: no layers.

    Finzi, Welling & Wilson 2021, "A practical method for constructing equivariant multilayer perceptrons for arbitrary matrix groups".

    >>> import torch
    >>> from equishare import groups
    >>> G = groups.lorentz()
    >>> net = EMLP(4 * G.defining(), G.trivial(), width=32)       # four momenta to an invariant
    >>> net(torch.randn(7, 16)).shape
    torch.Size([7, 1])
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        *,
        width: int = 128,
        layers: int = 3,
        order: int = 1,
        vector: Representation | None = None,
    ) -> None:
        super().__init__(rep_in, rep_out)
        if not all(isinstance(n, int) and n >= 1 for n in (width, layers)):
            raise LayerError(
                f"a width and hidden layers from 1 up expected, got {width!r} and {layers!r}; the group is that of the "
                "representations and is not given"
            )
        require_whole(0, order=order)
        vector = rep_in.group.defining() if vector is None else vector
        hidden = tensors_up_to(vector, width, order)
        factors = PRODUCT_FIELDS * rep_in.group.trivial() + PRODUCT_FIELDS * vector
        inputs = [rep_in, *[hidden] * (layers - 1)]
        self.blocks = nn.ModuleList(EMLPBlock(rep, hidden, factors) for rep in inputs)
        self.last = SharedLinear(hidden, rep_out)

    def forward(self, x: Float[Tensor, "batch in"]) -> Float[Tensor, "batch out"]:
        """The blocks in turn."""
        for block in self.blocks:
            x = block(x)
        return self.last(x)


def emlp(rep_in: Representation, rep_out: Representation, width: int = 128, layers: int = 3, order: int = 2) -> EMLP:
    """An ``EMLP`` whose hidden layers hold tensors up to order 2, as emlp's own ``EMLP(rep_in, rep_out, group, ch, num_layers)``.

    >>> import torch
    >>> from equishare import groups
    >>> V = groups.o(5).defining()
    >>> emlp(2 * V, groups.o(5).trivial(), width=24, layers=2)(torch.randn(3, 10)).shape
    torch.Size([3, 1])
    """
    return EMLP(rep_in, rep_out, width=width, layers=layers, order=order)
