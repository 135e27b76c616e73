"""A whole equivariant multilayer perceptron for any group."""

from __future__ import annotations

from functools import reduce
from itertools import combinations, combinations_with_replacement
from operator import add, mul

from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Group, GroupError
from equishare.groups.mixed_product import MixedProduct
from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.fields.bilinear import Bilinear
from equishare.nn.fields.gated_activation import GatedActivation
from equishare.nn.fields.shared_linear import SharedLinear
from equishare.nn.layer import FieldLayer, LayerError

PRODUCT_FIELDS = 4  # copies of each field that are multiplied with each other


def natural(group: Group) -> Representation:
    """What a group acts on: its space, or the points that it permutes; in a direct product, what any of the factors act on together.

    >>> from equishare import groups
    >>> natural(groups.so(3)), natural(groups.symmetric(5))
    (defining(SO(3)), permutation(S5))
    >>> natural(groups.direct(groups.lorentz(), groups.symmetric(3)))
    defining(SO+(1, 3)) + permutation(S3) + defining(SO+(1, 3)) * permutation(S3)
    """
    if isinstance(group, MixedProduct):
        each = [group.of_factor(k, natural(factor)) for k, factor in enumerate(group.factors)]
        some = [reduce(mul, chosen) for n in range(1, len(each) + 1) for chosen in combinations(each, n)]
        return reduce(add, some)
    try:
        return group.defining()
    except GroupError:
        if isinstance(group, FiniteGroup):
            return group.permutation()
        raise


def tensors_up_to(vector: Representation, width: int, order: int) -> Representation:
    """About ``width`` numbers, shared alike by tensors of order 0 to ``order``; without orders above one that do not fit in.

    >>> from equishare import groups
    >>> tensors_up_to(groups.so(3).defining(), 36, 2)
    12*trivial(SO(3)) + 4*defining(SO(3)) + defining(SO(3)) * defining(SO(3))
    """
    fields = [rep for count, rep in vector.parts for _ in range(count)]
    found: list[Representation] = []
    for degree in range(order + 1):
        products = [reduce(mul, chosen) for chosen in combinations_with_replacement(fields, degree) if chosen]
        products = products or [vector.group.trivial()]
        size = sum(rep.size for rep in products)
        if degree > 1 and size > width:
            break
        count = max(1, width // (order + 1) // size)
        found += [count * rep for rep in products]
    return reduce(add, found)


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
        order: highest order of the hidden tensors, as far as they fit in the width.
        vector: the representation whose tensors the hidden layers hold; by default the group's defining one, or the permutation of its
            points where it acts on no space, and in a direct product the products of those of its factors.

    Shapes:
        ``[batch, rep_in.size]`` -> ``[batch, rep_out.size]``.

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
        vector = natural(rep_in.group) if vector is None else vector
        hidden = tensors_up_to(vector, width, order)
        factors = reduce(
            add, (PRODUCT_FIELDS * rep for rep in (rep_in.group.trivial(), *(rep for _, rep in vector.parts)))
        )
        inputs = [rep_in, *[hidden] * (layers - 1)]
        self.blocks = nn.ModuleList(EMLPBlock(rep, hidden, factors) for rep in inputs)
        self.last = SharedLinear(hidden, rep_out)

    def forward(self, x: Float[Tensor, "batch in"]) -> Float[Tensor, "batch out"]:
        """The blocks in turn."""
        for block in self.blocks:
            x = block(x)
        return self.last(x)


def emlp(rep_in: Representation, rep_out: Representation, width: int = 128, layers: int = 3, order: int = 2) -> EMLP:
    """An ``EMLP`` whose hidden layers hold tensors up to order 2 where they fit, as emlp's own ``EMLP(rep_in, rep_out, group, ch, num_layers)``.

    >>> import torch
    >>> from equishare import groups
    >>> V = groups.o(5).defining()
    >>> emlp(2 * V, groups.o(5).trivial(), width=32, layers=2)(torch.randn(3, 10)).shape
    torch.Size([3, 1])
    """
    return EMLP(rep_in, rep_out, width=width, layers=layers, order=order)
