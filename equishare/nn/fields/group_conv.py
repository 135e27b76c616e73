"""Group convolutions on the line, in the plane and in space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Group
from equishare.groups.lattice import grid_permutation, space_matrix
from equishare.groups.on_cpu import on_cpu
from equishare.groups.orthogonal import OrthogonalGroup
from equishare.groups.permutation import SignedPermutation
from equishare.groups.representation import Representation, require_representation
from equishare.nn.feature_types import require_whole
from equishare.nn.fields.convolution import Convolution, output_positions
from equishare.nn.fields.initialisation import convolution_scale, gain_after
from equishare.nn.layer import EquivarianceError, FieldLayer
from equishare.sharing.group_convolution import group_convolution
from equishare.sharing.pattern import SharingPattern
from equishare.sharing.reshaped_pattern import ReshapedPattern
from equishare.sharing.shared_weights import Call, SharedWeight
from equishare.sharing.solver import solve
from equishare.sharing.steerable import solve_steerable, steerable_convolution


def require_finite(group: object) -> None:
    """Raise EquivarianceError unless the group is a finite one."""
    if not isinstance(group, FiniteGroup):
        raise EquivarianceError(f"a finite group such as groups.cyclic(4) is needed, got {group!r}")


def require_turns(group: object, dimension: int) -> None:
    """Raise EquivarianceError unless the group is finite, or SO(d) or O(d) of the space."""
    if isinstance(group, OrthogonalGroup) and dimension > 1 and group.dimension == dimension:
        return
    if not isinstance(group, FiniteGroup):
        raise EquivarianceError(
            f"a finite group such as groups.cyclic(4), or SO(d) or O(d) of the {dimension} dimensions, is needed, got {group!r}"
        )


def moves(group: Group) -> bool:
    """Whether the group has more than one element."""
    return not isinstance(group, FiniteGroup) or group.order > 1


def exact_on_grid(group: Group, kernel_size: tuple[int, ...]) -> bool:
    """Whether the law of a convolution holds on the grid for all elements."""
    return max(kernel_size) == 1 or (isinstance(group, FiniteGroup) and keeps_lattice(group, len(kernel_size)))


@on_cpu
def keeps_lattice(group: FiniteGroup, dimension: int) -> bool:
    """True if the group permutes the axes of space up to sign, so that it maps grid points to grid points."""
    matrices = [space_matrix(group, g, dimension) for g in group.generators]
    return all(SignedPermutation.from_matrix(m) is not None for m in matrices)


def fields_between(
    group: FiniteGroup | OrthogonalGroup,
    lifting: bool,
    field_in: Representation | None,
    field_out: Representation | None,
) -> tuple[Representation, Representation]:
    """The fields of a convolution: regular ones of a finite group where none are given."""
    if lifting and field_in is not None:
        raise EquivarianceError("lifting=True means field_in = G.trivial(): give one of the two")
    if lifting:
        field_in = group.trivial()
    if isinstance(group, FiniteGroup):
        field_in, field_out = field_in or group.regular(), field_out or group.regular()
    if field_in is None or field_out is None:
        raise EquivarianceError(f"{group} has no regular representation of finite size: give field_in and field_out")
    require_representation(field_in, field_out)
    for name, field in (("field_in", field_in), ("field_out", field_out)):
        if field.group != group:
            raise EquivarianceError(f"{name}: a representation of {group} expected, got {field} of {field.group}")
    return field_in, field_out


@on_cpu
def filter_pattern(
    group: Group, kernel_size: tuple[int, ...], field_in: Representation, field_out: Representation
) -> SharingPattern:
    """All filters W[o, i, x] between two fields with W(g x) = rho_out(g) W(x) rho_in(g)^-1.

    Exact for groups that keep the lattice; else band-limited filters of the same law.
    """
    if max(kernel_size) == 1:
        return ReshapedPattern(solve(field_in, field_out), (field_out.size, field_in.size, *kernel_size))
    if isinstance(group, FiniteGroup) and keeps_lattice(group, len(kernel_size)):
        if field_out == group.regular() and field_in.kind != "matrix":
            return group_convolution(group, kernel_size, field_in)
        solved = solve(field_in * grid_permutation(group, kernel_size), field_out)
        return ReshapedPattern(solved, (field_out.size, field_in.size, *kernel_size))
    if len(set(kernel_size)) != 1:
        raise EquivarianceError(
            f"{group} does not map a {'x'.join(map(str, kernel_size))} grid to itself, and band-limited "
            "filters exist for square and cubic kernels only"
        )
    if isinstance(group, FiniteGroup) and field_out == group.regular() and field_in.kind == "permutation":
        return steerable_convolution(group, kernel_size[0], field_in)
    return solve_steerable(group, kernel_size[0], field_in, field_out, len(kernel_size))


class _GroupConv(FieldLayer):
    dimension: int

    def __init__(
        self,
        group: FiniteGroup | OrthogonalGroup,
        in_fields: int,
        out_fields: int,
        kernel_size: int | Sequence[int],
        *,
        lifting: bool = False,
        field_in: Representation | None = None,
        field_out: Representation | None = None,
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = "same",
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        require_turns(group, self.dimension)
        require_whole(in_fields=in_fields, out_fields=out_fields, groups=groups)
        if in_fields % groups or out_fields % groups:
            raise EquivarianceError(f"groups={groups} must divide in_fields={in_fields} and out_fields={out_fields}")
        field_in, field_out = fields_between(group, lifting, field_in, field_out)
        super().__init__(in_fields * field_in, out_fields * field_out)
        self.group, self.groups, self.turns = group, groups, moves(group)
        self.in_fields, self.out_fields = in_fields, out_fields
        self.field_in, self.field_out = field_in, field_out
        self.convolution = Convolution.of(self.dimension, kernel_size, stride, padding, dilation, padding_mode)
        self.exact = exact_on_grid(group, self.convolution.kernel_size)
        self.pattern = filter_pattern(group, self.convolution.kernel_size, self.field_in, self.field_out)
        self.bias_pattern = solve(group.trivial(), self.field_out)
        self.weight = nn.Parameter(torch.empty(out_fields, in_fields // groups, self.pattern.n_free, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_fields, self.bias_pattern.n_free, dtype=dtype)) if bias else None
        self.scale = convolution_scale(self.pattern, in_fields // groups, gain_after(field_out))
        self._warn_of_strides()
        self.reset_parameters()
        self.to(torch.get_default_device() if device is None else device)

    def _warn_of_strides(self) -> None:
        """Say which input sizes keep the symmetry."""
        self.convolution.warn_of_strides(self.group, stacklevel=5)

    def reset_parameters(self) -> None:
        """Draw base weights that keep the variance through a ReLU (He et al. 2015); the bias is zero."""
        with torch.no_grad():
            self.weight.normal_(0.0, self.scale)
            if self.bias is not None:
                self.bias.zero_()

    def full_weight(self) -> Float[Tensor, "out in *kernel"]:
        """The expanded filter bank."""
        full = self.pattern.expand(self.weight).transpose(1, 2)  # [out_fields, out, in_fields, in, *kernel]
        return full.reshape(self.out_channels, self.in_channels // self.groups, *self.convolution.kernel_size)

    def full_bias(self) -> Float[Tensor, " out"] | None:
        """The expanded bias."""
        return None if self.bias is None else self.bias_pattern.expand(self.bias).reshape(-1)

    def forward(self, x: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space_out"]:
        """Expand the filter, then convolve."""
        self._check_channels(x, self.dimension)
        if self.turns:
            self.convolution.check_input(x.shape[2:])
        return self.convolution(x, self.full_weight(), self.full_bias(), self.groups)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The patterns of weight and bias."""
        positions = output_positions(call)
        copies = self.out_fields * self.in_fields // self.groups
        found = {"weight": SharedWeight.of(self.pattern, copies, positions)}
        if self.bias is not None:
            found["bias"] = SharedWeight.of(self.bias_pattern, self.out_fields, positions)
        return found

    def to_torch(self) -> nn.Module:
        """The ``torch.nn.ConvNd`` with the expanded filters."""
        return self.convolution.module(self.full_weight(), self.full_bias(), self.groups).train(self.training)

    def extra_repr(self) -> str:
        """Fields and sizes."""
        c = self.convolution
        return (
            f"{self.rep_in} -> {self.rep_out}, kernel_size={c.kernel_size}, stride={c.stride}, "
            f"padding={c.padding}, exact={self.exact}"
        )


class GroupConv1d(_GroupConv):
    """A group convolution on the line, for C_1, C_2 and D_1 (reversal), y_o(x) = sum_i,u W_oi(u) y_i(x + u).

    Law: f(g y) = g f(y), where g reverses positions and acts on channels by the fields; exact. For DNA,
    ``groups.cyclic(2).action([(3, 2, 1, 0)])`` as ``field_in`` is the reverse complement on channels A, C,
    G, T (Mallet & Vert 2021). Translations are exact away from zero borders, and by multiples of a stride.

    Args:
        group: cyclic(1), cyclic(2) or dihedral(1); any group whose sign representation reverses the line.
        in_fields: number of fields of the input; channels are ``in_fields * field_in.size``, field by field.
        out_fields: number of fields of the output.
        kernel_size: taps.
        lifting: the input's fields are scalars.
        field_in: representation of one input field; regular by default.
        field_out: representation of one output field; regular by default, trivial pools over the group.
        stride: step between outputs; construction warns which input sizes keep the symmetry.
        padding: "same" (odd kernels only) or a number for both sides.
        dilation: step between taps.
        groups: blocks of fields convolved separately, as in torch.
        bias: whether to add an invariant bias.
        padding_mode: zeros, circular, reflect or replicate.
        device: where the weights live.
        dtype: their precision.

    Raises:
        GroupError: the group does not act on this space.
        EquivarianceError: the sizes break the symmetry, or an input does not fit.

    >>> from equishare import groups, nn
    >>> Z2 = groups.cyclic(2)
    >>> dna = nn.GroupConv1d(Z2, 1, 8, 15, field_in=Z2.action([(3, 2, 1, 0)]))
    >>> dna(torch.zeros(2, 4, 100)).shape
    torch.Size([2, 16, 100])
    """

    dimension = 1


class GroupConv2d(_GroupConv):
    """A group convolution in the plane, for C_n, D_n, SO(2) and O(2), y_o(x) = sum_i,u W_oi(u) y_i(x + u).

    Law: f(g y) = g f(y), where g turns or reflects the image about its centre and acts on channels by the
    fields. Exact for n = 1, 2, 4; for other n, SO(2) and O(2) the filters are band-limited and the law holds up to the error of
    sampling (``exact`` is False; measured in the documentation). Cohen & Welling 2016; Weiler & Cesa 2019.
    For SO(2) and O(2) both fields are given, as sums of irreps: ``G.trivial() + G.irrep(1) + G.irrep(2)``.
    Arguments as for :class:`GroupConv1d`.

    Shapes:
        ``[batch, in_channels, height, width]`` -> ``[batch, out_channels, ...]``.

    Raises:
        GroupError: the group does not act on the plane.
        EquivarianceError: the sizes break the symmetry, or an input does not fit.

    >>> from equishare import groups, nn
    >>> G = groups.dihedral(4)
    >>> conv = nn.GroupConv2d(G, in_fields=3, out_fields=16, kernel_size=3, lifting=True)
    >>> conv(torch.zeros(1, 3, 10, 10)).shape, conv.to_torch()
    (torch.Size([1, 128, 10, 10]), Conv2d(3, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)))
    """

    dimension = 2


class GroupConv3d(_GroupConv):
    """A group convolution in space, for every finite group of rotations, SO(3) and O(3).

    Law: f(g y) = g f(y), where g turns or reflects the volume about its centre and acts on channels by the
    fields; exact for the octahedral groups and other groups of signed axis permutations (Worrall & Brostow 2018, "CubeNet"). For others the
    filters are band-limited, shells times spherical harmonics (Weiler et al. 2018, "3D Steerable CNNs"), and the law holds up to the
    error of sampling. For SO(3) and O(3) both fields are given: ``G.irreps("0e+1o+2e")``. Arguments as for :class:`GroupConv1d`.

    Shapes:
        ``[batch, in_channels, depth, height, width]`` -> ``[batch, out_channels, ...]``.

    Raises:
        GroupError: the group does not act on space.
        EquivarianceError: the sizes break the symmetry, or an input does not fit.

    >>> from equishare import groups, nn
    >>> conv = nn.GroupConv3d(groups.octahedral(), 1, 2, 3, lifting=True)
    >>> conv(torch.zeros(1, 1, 5, 5, 5)).shape
    torch.Size([1, 48, 5, 5, 5])
    """

    dimension = 3
