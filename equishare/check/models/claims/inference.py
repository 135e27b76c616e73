"""Types that nobody gave, from names and shapes."""

from collections.abc import Mapping

from torch import Tensor

from equishare.check.models.claims.roles import BY_NAME, ROLES
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.transform import Transform


def infer_input(path: str, tensor: Tensor, sizes: Mapping[str, int]) -> Transform:
    """Type an input by its name, else by its shape."""
    name = path.rpartition(".")[2].lower()
    if name in ("senders", "receivers", "idx_i", "idx_j"):
        return Index(axis=0)
    if name in BY_NAME:
        return ROLES[BY_NAME[name]]
    return _by_shape(tensor, sizes, fallback_vector=name == "x" and "atoms" not in sizes)


def _by_shape(tensor: Tensor, sizes: Mapping[str, int], fallback_vector: bool = False) -> Transform:
    shape = tuple(tensor.shape)
    if fallback_vector and len(shape) == 2 and shape[1] == 3:
        return ROLES["positions"]
    for label in ("atoms", "edges"):
        if shape and label in sizes and shape[0] == sizes[label]:
            return Cartesian(1 if shape[1:] == (3,) and tensor.is_floating_point() else 0, along=label)
    return Cartesian()


def infer_output(path: str, tensor: Tensor, sizes: Mapping[str, int]) -> Transform | None:
    """Type an output by its name, else by its shape; None where it may be anything."""
    name = path.rpartition(".")[2].lower()
    if not tensor.is_floating_point():
        return None
    if name in BY_NAME:
        role = ROLES[BY_NAME[name]]
        return role if not isinstance(role, Index) else None
    if name and not name.isdigit():
        return None  # an output with a name that we do not know may be anything
    if tensor.shape[-2:] == (3, 3) and tensor.shape[0] != sizes.get("atoms"):
        return Cartesian(2)
    if tensor.dim() <= 2 and tensor.shape[-1:] == (3,) and tensor.shape[0] != sizes.get("atoms"):
        return Cartesian(1)
    return _by_shape(tensor, sizes)
