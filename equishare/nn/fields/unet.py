"""A U-Net of fields."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.groups.finite import FiniteGroup
from equishare.groups.orthogonal import OrthogonalGroup
from equishare.groups.representation import Representation
from equishare.nn.feature_types import require_whole
from equishare.nn.fields.activation import NormActivation, PointwiseActivation
from equishare.nn.fields.antialiased_pool import AntialiasedPool
from equishare.nn.fields.group_conv import GroupConv2d, GroupConv3d, fields_between
from equishare.nn.fields.norm import FieldBatchNorm
from equishare.nn.layer import EquivarianceError, FieldLayer, LayerError
from equishare.nn.sequential import Sequential

_CONVOLUTIONS = {2: GroupConv2d, 3: GroupConv3d}
_SMOOTH = {2: "bilinear", 3: "trilinear"}


class UNetBlock(FieldLayer):
    r"""One level of a U-Net: what a smaller image tells, beside the image itself: ``[x, up(inner(down(x)))]``.

    Law: f(g y) = g f(y), as exact as the inner layer, for every image size: down is an ``AntialiasedPool``, up interpolates to the size that
    the image had, both symmetric about the centre.

    Args:
        rep: representation of the input.
        inner: a layer that takes ``rep``, on images half the size.
        dimension: axes of space, 2 or 3.

    Shapes:
        ``[batch, channels, *space]`` -> ``[batch, more, *space]``.

    Raises:
        EquivarianceError: the inner layer does not take ``rep``.
        LayerError: it does not give fields, or the dimension is neither 2 nor 3.

    Ronneberger, Fischer & Brox 2015, "U-Net".

    >>> from equishare import groups, nn
    >>> C4 = groups.cyclic(4)
    >>> block = nn.UNetBlock(2 * C4.regular(), nn.GroupConv2d(C4, 2, 3, 3))
    >>> block(torch.randn(1, 8, 9, 9)).shape
    torch.Size([1, 20, 9, 9])
    """

    def __init__(self, rep: Representation, inner: FieldLayer | Sequential, dimension: int = 2) -> None:
        below = inner.after(rep)
        if not isinstance(below, Representation) or dimension not in _SMOOTH:
            raise LayerError(f"an inner layer of fields and 2 or 3 dimensions expected, got {below}, {dimension}")
        super().__init__(rep, rep + below)
        self.down, self.inner, self.dimension = AntialiasedPool(rep, dimension=dimension), inner, dimension

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch more *space"]:
        """The image, and what the smaller one tells."""
        self._check_channels(x, self.dimension)
        below = self.inner(self.down(x))
        up = functional.interpolate(below, size=x.shape[2:], mode=_SMOOTH[self.dimension], align_corners=False)
        return torch.cat([x, up], dim=1)


class UNet(FieldLayer):
    r"""Convolutions on an image, on one half the size, on a quarter, and back: fields to fields, at the image's own resolution.

    At each level two convolutions, each with a batch norm and an activation (ReLU of permuted fields, ``NormActivation`` of others), around
    a ``UNetBlock``. Law: f(g y) = g f(y), exact for turns that keep the lattice, on every image size; for other groups up to the error
    of sampling.

    Args:
        group: as for ``GroupConv2d`` and ``GroupConv3d``.
        rep_in: representation of the input.
        rep_out: representation of the output.
        widths: number of fields on each level, the image's own first.
        field: representation of one hidden field; regular by default, for SO(2) and the like a sum of irreps.
        kernel_size: taps.
        dimension: axes of space, 2 or 3.

    Shapes:
        ``[batch, rep_in.size, *space]`` -> ``[batch, rep_out.size, *space]``.

    Raises:
        EquivarianceError: as ``GroupConv2d``.
        LayerError: no widths.

    Ronneberger, Fischer & Brox 2015, "U-Net"; Cohen & Welling 2016; Weiler & Cesa 2019.

    >>> from equishare import groups, nn
    >>> C4 = groups.cyclic(4)
    >>> net = nn.UNet(C4, 3 * C4.trivial(), C4.defining(), widths=(4, 8, 8))       # colours to a vector at each pixel
    >>> net(torch.randn(2, 3, 21, 21)).shape
    torch.Size([2, 2, 21, 21])
    """

    def __init__(
        self,
        group: FiniteGroup | OrthogonalGroup,
        rep_in: Representation,
        rep_out: Representation,
        *,
        widths: Sequence[int] = (8, 16, 32),
        field: Representation | None = None,
        kernel_size: int = 3,
        dimension: int = 2,
    ) -> None:
        super().__init__(rep_in, rep_out)
        require_whole(**{f"widths[{k}]": width for k, width in enumerate(widths)})
        if not widths or dimension not in _CONVOLUTIONS:
            raise LayerError(f"one width or more and 2 or 3 dimensions expected, got {widths}, {dimension}")
        if field is None and isinstance(group, OrthogonalGroup):
            raise EquivarianceError(
                f"{group} has no regular field of finite size: give field, such as group.trivial() + group.defining()"
            )
        field, _ = fields_between(group, False, field, field)
        convolution = _CONVOLUTIONS[dimension]

        def step(taken: Representation, fields: int) -> list[nn.Module]:
            rep = fields * field
            conv = convolution(group, 1, fields, kernel_size, field_in=taken, field_out=field)
            permuted = rep.kind == "permutation"
            activation = PointwiseActivation(rep, nn.ReLU()) if permuted else NormActivation(rep)
            return [conv, FieldBatchNorm(rep, dimension), activation]

        def levels(taken: Representation, widths: Sequence[int]) -> Sequential:
            rep, steps = widths[0] * field, step(taken, widths[0])
            if len(widths) > 1:
                block = UNetBlock(rep, levels(rep, widths[1:]), dimension)
                steps += [block, *step(block.rep_out, widths[0])]
            return Sequential(*steps)

        self.levels = levels(rep_in, widths)
        self.last = convolution(group, widths[0], 1, 1, field_in=field, field_out=rep_out)

    def forward(self, x: Float[Tensor, "batch in *space"]) -> Float[Tensor, "batch out *space"]:
        """The fields of the output."""
        return self.last(self.levels(x))
