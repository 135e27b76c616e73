"""Images and feature maps under turns, mirrors and shifts."""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.transform import Transform


@dataclass(frozen=True)
class Image(Transform):
    """An image or feature map under mirror, quarter turns and circular shifts of two axes.

    Args:
        axes: the rows' and the columns' axis.
        group_axis: an axis of size 4 (or 8) that holds the regular representation of C4 (or D4): entry r +
            4 m is the response to the filter turned r times after m mirrors. None where channels are
            invariant.

    Raises:
        CheckError: the image is not square.

    Example:
        >>> import torch
        >>> Image().apply(torch.tensor([[1, 2], [3, 4]]), Element(turns=1)).tolist()
        [[2, 4], [1, 3]]
    """

    axes: tuple[int, int] = (-2, -1)
    group_axis: int | None = None

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Mirror, turn, shift, and move the group axis along."""
        if g.flip or g.turns % 4:
            if g.turns % 2 and x.shape[self.axes[0]] != x.shape[self.axes[1]]:
                raise CheckError(f"a quarter turn needs a square image, got shape {tuple(x.shape)}")
            x = torch.flip(x, (self.axes[1],)) if g.flip else x
            x = torch.rot90(x, g.turns, self.axes)
            x = x if self.group_axis is None else x.index_select(self.group_axis, self._left(g, x))
        return torch.roll(x, g.shift, self.axes) if g.shift != (0, 0) else x

    def _left(self, g: Element, x: Tensor) -> Tensor:
        """Indices of g^-1 h for every h = r + 4 m of the group axis, with element r^k m^f, m r = r^-1 m."""
        size = x.shape[self.group_axis] if self.group_axis is not None else 0
        if size not in (4, 8) or (g.flip and size == 4):
            raise CheckError(f"a group axis has size 4 for turns, 8 for turns and mirrors; got {size}")
        h = torch.arange(size, device=x.device)
        r, m = h % 4, h // 4
        turned = (r - g.turns) % 4
        return (-turned) % 4 + 4 * ((m + 1) % 2) if g.flip else turned + 4 * m

    def describe(self) -> str:
        """Name the kind of feature map."""
        return "image" if self.group_axis is None else "regular feature map"
