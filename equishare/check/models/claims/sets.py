"""Claims of models of sets."""

from collections.abc import Sequence

from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.symmetry import factors
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.readings import Readings
from equishare.check.models.symmetry.symmetry import Setting, Spec, Symmetry
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

    def infer(names: Sequence[str], tensors: Sequence[Tensor], given: list[Transform | None]) -> list[Transform]:
        return [t or members for t in given]

    def output(path: str, tensor: Tensor, setting: Setting) -> Readings:
        runs = -tensor.dim() <= axis < tensor.dim() and tensor.shape[axis] == setting.sizes.get("members")
        return Readings((members, Cartesian()) if runs else (Cartesian(),))

    return Symmetry(
        "set",
        (factors.permutation("members"),),
        inputs,
        outputs,
        infer,
        output,
        spelled,
    )
