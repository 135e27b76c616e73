"""Claims of models of sets."""

from collections.abc import Sequence

from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.precision import is_number
from equishare.check.models.symmetry import factors
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.readings import Readings
from equishare.check.models.symmetry.symmetry import Setting, Spec, Symmetry
from equishare.check.models.symmetry.transform import Transform


def set_(inputs: Spec = None, outputs: Spec = None, *, axis: int = 0) -> Symmetry:
    """Reordering of one axis, whose members are a set: types are "members" (permuted along), "pairs" and "invariant".

    Args:
        inputs: types; by default every input is permuted along `axis`.
        outputs: types; by default an output with as many entries on `axis` is permuted along (a square of them, such as
            attention's weights, on both axes), others are invariant.
        axis: the axis that runs over the set.

    Example:
        >>> set_(outputs="invariant").factors[0].samples
        48
    """
    members = Cartesian(along="members", axis=axis)
    pairs = Cartesian(along="members", axis=(axis, axis + 1) if axis != -1 else (-2, -1))

    def spelled(text: str) -> Transform:
        spellings = {"members": members, "pairs": pairs, "invariant": Cartesian()}
        if text not in spellings:
            raise CheckError(f"a type for sets is one of {', '.join(spellings)}, or a Transform; got {text!r}")
        return spellings[text]

    def infer(names: Sequence[str], tensors: Sequence[Tensor], given: list[Transform | None]) -> list[Transform]:
        return [t or members for t in given]

    def output(path: str, tensor: Tensor, setting: Setting) -> Readings:
        runs = -tensor.dim() <= axis < tensor.dim() and tensor.shape[axis] == setting.sizes.get("members")
        square = runs and axis + 2 == tensor.dim() and tensor.shape[axis] == tensor.shape[axis + 1]
        readings = [pairs] * square + [members] * runs + [Cartesian()]
        return Readings((*readings, *([] if is_number(tensor) else [Index(of="members", along=None)])))

    return Symmetry(
        "set",
        (factors.permutation("members"),),
        inputs,
        outputs,
        infer,
        output,
        spelled,
    )
