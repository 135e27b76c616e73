"""What an output of a model of molecules or points may be: by its name, else by its shape."""

from dataclasses import replace

from torch import Tensor

from equishare.check.models.claims.inference import Known, axes_of, hessian_of, is_cloud, named_type, shaped
from equishare.check.models.claims.roles import ROLES, role_of
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.irreps import Irreps
from equishare.check.models.symmetry.readings import Readings
from equishare.check.models.symmetry.symmetry import Setting
from equishare.check.models.symmetry.transform import Transform

HIGHEST_RANK = 4
HARMONICS = {
    **{(n + 1) ** 2: "+".join(f"1x{k}{'eo'[k % 2]}" for k in range(n + 1)) for n in range(1, 7)},
    5: "1x2e",
    7: "1x3o",
}
"""Irreps of features in as many numbers as spherical harmonics up to some degree, or of one, have."""


def infer_output(path: str, tensor: Tensor, setting: Setting) -> Readings:
    """Say what an output may be, by its name, else by its shape: the likeliest reading first.

    Example:
        >>> import torch
        >>> found = infer_output("0", torch.ones(8, 3), Setting({"atoms": 8}))
        >>> [t.describe() for t in found.options]
        ['vector per atom', 'positions', 'scalar per atom', 'pseudovector per atom']
    """
    name = path.rpartition(".")[2].lower()
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return Readings(())
    known = Known(dict(setting.sizes), setting.atoms_axis or 0)
    role = ROLES.get(role_of(name))
    if role is not None and getattr(role, "moves", False) and (is_cloud(tensor) or _in_columns(tensor, known)):
        return Readings((_at_atoms(tensor, known),), settled=True)
    named = named_type(name, tensor, known)
    if named is not None:
        return Readings((named,), settled=True)
    return Readings(tuple(_readings(tensor, known)), foreign=bool(name) and not name.isdigit() and role is None)


def _at_atoms(tensor: Tensor, known: Known) -> Transform:
    if _in_columns(tensor, known):
        return Cartesian(1, along="atoms", axis=tensor.dim() - 1, moves=True, components=(-2,))
    axes = axes_of("", tensor, "atoms", known, keep=1)
    return Cartesian(1, along="atoms", axis=axes[0], moves=True) if axes else Cartesian(1, moves=True)


def _in_columns(tensor: Tensor, known: Known) -> bool:
    """Whether an output lists the atoms last, as the inputs do, and three numbers of each before."""
    listed = tensor.dim() >= 2 and tensor.shape[-1] == known.sizes.get("atoms")
    return listed and tensor.shape[-2] == 3 and known.home > 0 and tensor.shape[-1] != 3


def _readings(tensor: Tensor, known: Known) -> list[Transform]:
    hessian = hessian_of(tensor, known)
    if hessian is not None:
        return [hessian]
    if _in_columns(tensor, known):
        columns = Cartesian(1, along="atoms", axis=tensor.dim() - 1, components=(-2,))
        return [columns, replace(columns, moves=True), Cartesian(along="atoms", axis=tensor.dim() - 1)]
    first = shaped("", tensor, known)
    if first.along is None:
        return _of_the_whole(tensor)
    return _of_members(tensor, first)


def _of_the_whole(tensor: Tensor) -> list[Transform]:
    """Readings of an output without an axis of atoms or edges: by how many of its last axes have size 3."""
    rank = 0
    while rank < min(tensor.dim(), HIGHEST_RANK) and tensor.shape[-1 - rank] == 3:
        rank += 1
    if rank and tensor.dim() - rank > 1:  # three channels of a map, say
        rank = 0
    tensors = [Cartesian(r) for r in range(rank, -1, -1)]
    turned = [Cartesian(rank, pseudo=True), Cartesian(1, moves=True)] if rank else [Cartesian(pseudo=True)]
    return [*tensors[:1], *turned[:1], *tensors[1:], *turned[1:], *_harmonics(tensor)]


def _of_members(tensor: Tensor, first: Cartesian) -> list[Transform]:
    axis = first.axis
    if not first.rank:
        single = [replace(first, axis=axis[0])] if isinstance(axis, tuple) else []
        others = [Cartesian(), *_harmonics(tensor)]
        if isinstance(axis, int) and axis < tensor.dim() - 1:
            others += [Irreps(t.irreps, along=first.along, axis=axis) for t in _harmonics(tensor)]
        return [first, *single, replace(first, pseudo=True), *others]
    readings: list[Transform] = [first, replace(first, moves=first.along == "atoms"), replace(first, rank=0)]
    if tensor.dim() > 2 and tensor.shape[-2] == 3:
        readings.append(replace(first, rank=2))
    return list(dict.fromkeys([*readings, replace(first, pseudo=True)]))


def _harmonics(tensor: Tensor) -> list[Irreps]:
    irreps = HARMONICS.get(tensor.shape[-1]) if tensor.dim() else None
    return [Irreps(irreps)] if irreps else []
