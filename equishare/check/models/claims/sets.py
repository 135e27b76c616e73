"""Claims of models of sets."""

from collections.abc import Mapping

from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.symmetry import factors
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.symmetry import Spec, Symmetry
from equishare.check.models.symmetry.transform import Transform


def set_(inputs: Spec = None, outputs: Spec = None, *, axis: int = 0) -> Symmetry:
    """Reordering of one axis, whose members are a set: types are "members" (permuted along) and "invariant".

    Args:
        inputs: types; by default every input is permuted along `axis`.
        outputs: types; by default an output with as many entries on `axis` is permuted along, others are
            invariant.
        axis: the axis that runs over the set.

    Example:
        >>> set_(outputs="invariant").factors[0].samples
        48
    """
    members = Cartesian(along="members", axis=axis)

    def spelled(text: str) -> Transform:
        if text not in ("members", "invariant"):
            raise CheckError(f"a type for sets is 'members', 'invariant' or a Transform; got {text!r}")
        return members if text == "members" else Cartesian()

    def output(path: str, tensor: Tensor, sizes: Mapping[str, int]) -> Transform:
        runs = -tensor.dim() <= axis < tensor.dim() and tensor.shape[axis] == sizes.get("members")
        return members if runs else Cartesian()

    return Symmetry(
        "set",
        (factors.permutation("members"),),
        inputs,
        outputs,
        lambda path, tensor, sizes: members,
        output,
        spelled,
    )
