"""Claims of layers on which a group of `equishare.groups` acts."""

from typing import Any

from torch import Tensor

from equishare.check.models.symmetry import factors
from equishare.check.models.symmetry.field import Field
from equishare.check.models.symmetry.readings import Readings
from equishare.check.models.symmetry.represented import Represented
from equishare.check.models.symmetry.symmetry import Setting, Symmetry


def group(representation_in: Any, representation_out: Any, *, fibre: int | None = None, space: int = 0) -> Symmetry:
    """Any group of `equishare.groups`: rho_out(g) f(x) = f(rho_in(g) x), acting on one axis, and on space.

    Args:
        representation_in: representation on the input, with `group`, `size`, `matrix(element)`.
        representation_out: representation on the output.
        fibre: the axis that both act on; by default the last one, or axis 1 where there is space.
        space: how many of the last axes are a grid that the group moves, as for feature fields of convolutions; an
            output without them is not a field.

    Example:
        >>> from equishare import groups
        >>> C4 = groups.cyclic(4)
        >>> group(C4.trivial(), C4.regular(), space=2).name
        'fields of C4'
    """
    if not space:
        axis = -1 if fibre is None else fibre
        return Symmetry(
            f"group {representation_in.group}",
            (factors.abstract(representation_in),),
            Represented(representation_in, axis),
            Represented(representation_out, axis),
        )
    axis = 1 if fibre is None else fibre

    def output(path: str, tensor: Tensor, setting: Setting) -> Readings:
        pooled = tensor.dim() < 2 + space
        return Readings((Represented(representation_out, axis) if pooled else Field(representation_out, space, axis),))

    return Symmetry(
        f"fields of {representation_in.group}",
        (factors.abstract(representation_in),),
        Field(representation_in, space, axis),
        infer_output=output,
    )
