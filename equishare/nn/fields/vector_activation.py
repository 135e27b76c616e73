"""From the strongest orientation of a field to a vector."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Element
from equishare.groups.on_cpu import on_cpu
from equishare.groups.representation import Representation
from equishare.nn.layer import EquivarianceError, FieldLayer
from equishare.sharing.pattern import near


class VectorFieldActivation(FieldLayer):
    r"""A vector a field: as long as the largest response, in the direction of the orientation that gave it.

    .. math:: y_u = \mathrm{relu}(x_{u k^*})\, p_{k^*}, \qquad k^* = \mathrm{argmax}_k\, x_{uk}, \qquad p_{g k} = g\, p_k

    with a unit vector p for each orientation: those of the corners for a turn's regular field. Law: f(rho(g) x) = g f(x), exact but where
    two responses are equal.

    Args:
        fields: number of fields.
        field: a field that a finite group of the plane or of space permutes transitively, such as ``G.regular()`` or ``G.quotient(H)``.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: the field is not so, the group moves no space, or the elements that leave an orientation alone leave no direction alone.

    Marcos et al. 2017, "Rotation equivariant vector field networks".

    >>> from equishare import groups, nn
    >>> layer = nn.VectorFieldActivation(2, groups.cyclic(4).regular())
    >>> layer(torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 3.0, -1.0, 0.0]]))
    tensor([[1., 0., 0., 3.]])
    """

    _directions: Tensor

    def __init__(self, fields: int, field: Representation) -> None:
        group = field.group
        if not isinstance(group, FiniteGroup) or field.kind != "permutation":
            raise EquivarianceError(f"a field permuted by a finite group is needed, got {field}")
        vector = group.defining()
        super().__init__(fields * field, fields * vector)
        self.field = field
        self.register_buffer("_directions", _directions(group, field, vector), persistent=False)
        self.to(torch.get_default_device())

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch vectors *space"]:
        """The vectors."""
        self._check_channels(x)
        fields = (
            x.unsqueeze(-1).flatten(2).unflatten(1, (-1, self.field.size)).transpose(2, 3)
        )  # [batch, fields, positions, orientations]
        most, where = fields.max(3, keepdim=True)
        directions = near(self._directions, x).to(x.dtype)[where.squeeze(3)]
        vectors = (torch.relu(most) * directions).transpose(2, 3).flatten(1, 2)
        return vectors.reshape(x.shape[0], self.out_channels, *x.shape[2:])


@on_cpu
def _directions(group: FiniteGroup, field: Representation, vector: Representation) -> Float[Tensor, "orientations d"]:
    """A unit vector for each coordinate, that turns as it moves."""
    reached: dict[int, Element] = {}
    still: list[Tensor] = []
    for g in group.elements:
        action = field.signed_permutation(g)
        image = 0 if action is None else int(action.image[0])
        reached.setdefault(image, g)
        if image == 0:
            still.append(vector.matrix(g))
    if len(reached) != field.size:
        raise EquivarianceError(f"{group} does not take every coordinate of {field} to every other")
    mean = torch.stack(still).mean(0)  # onto what the elements that leave the first coordinate alone leave alone
    lengths = mean.norm(dim=0)
    if float(lengths.max()) < 1e-9:
        raise EquivarianceError(f"what leaves a coordinate of {field} alone leaves no direction alone")
    first = mean[:, int((lengths > 1e-9).nonzero()[0])]
    first = first / first.norm()
    return torch.stack([vector.matrix(reached[k]) @ first for k in range(field.size)])
