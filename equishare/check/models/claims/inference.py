"""Types that nobody gave: those of all inputs together, from names and shapes."""

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass, replace

from torch import Tensor

from equishare.check.models.claims.roles import CELL, ROLES, role_of
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.symmetry import Setting
from equishare.check.models.symmetry.transform import Transform

FEATURES = {"h", "x", "feat", "feats", "features", "node_feats", "node_features", "node_attr", "node_attrs", "s"}
"""Names of features without directions: three of them are no vector."""

Types = list[Transform | None]


@dataclass(frozen=True)
class Known:
    """Lengths of the index sets, and on which axis positions have their atoms."""

    sizes: dict[str, int]
    home: int = 0


def infer_inputs(names: Sequence[str], tensors: Sequence[Tensor], given: Types) -> list[Transform]:
    """Type the inputs that are not given: positions first, which say how many atoms there are, then the others.

    The order of the arguments makes no difference. Batch axes before the atoms' are left alone: positions may be
    [atoms, 3] or [batch, atoms, 3].

    Example:
        >>> import torch
        >>> types = infer_inputs(["feats", "coors"], [torch.ones(1, 9, 16), torch.ones(1, 9, 3)], [None, None])
        >>> [t.describe() for t in types]
        ['scalar per atom', 'positions']
    """
    types, short = list(given), [name.rpartition(".")[2].lower() for name in names]
    for i in _positions(short, tensors, types):
        last = tensors[i].dim() - 1
        rows = Cartesian(1, along="atoms", axis=last - 1, moves=True)
        types[i] = rows if is_cloud(tensors[i]) else replace(rows, axis=last, components=(-2,))
    known = known_of(tensors, types)
    if "atoms" not in known.sizes:
        known.sizes.update(_size_of_pairs(short, tensors))
    for i, (name, tensor) in enumerate(zip(short, tensors, strict=True)):
        if types[i] is None and not tensor.is_floating_point() and role_of(name) == "edges":
            types[i] = Index(axis=0) if tensor.dim() == 1 else Index()
            known.sizes.setdefault("edges", tensor.shape[-1])
    if "atoms" not in known.sizes:
        known.sizes.update(_size_of_nodes(short, tensors, types))
    for i, (name, tensor) in enumerate(zip(short, tensors, strict=True)):
        types[i] = types[i] or named_type(name, tensor, known)
    found = known_of(tensors, types)
    known = Known({**found.sizes, **known.sizes}, found.home)
    return [t or shaped(name, tensor, known) for t, name, tensor in zip(types, short, tensors, strict=True)]


def _positions(names: Sequence[str], tensors: Sequence[Tensor], types: Types) -> list[int]:
    """Which untyped inputs are positions of the atoms: those named so, else the only cloud of points there is."""
    clouds = [i for i, t in enumerate(tensors) if types[i] is None and is_cloud(t)]
    if not clouds:
        # points in columns, [batch, 3, points]
        clouds = [i for i, t in enumerate(tensors) if types[i] is None and _is_cloud_of_columns(t, names[i])]
    named = [i for i in clouds if role_of(names[i]) == "positions"]
    if any(getattr(t, "moves", False) for t in types):
        return [i for i in named if _same_atoms(tensors, types, i)]
    if named:
        return [i for i in named if _points(tensors[i]) == _points(tensors[named[0]])]
    nameless = [i for i in clouds if not role_of(names[i]) and names[i] not in FEATURES - {"x"}]
    return [i for i in nameless if names[i] == "x"][:1] or nameless[:1]


def _size_of_pairs(names: Sequence[str], tensors: Sequence[Tensor]) -> dict[str, int]:
    """How many atoms there are where a square of pairs says it, an adjacency or distances, and no positions do."""
    sizes = [t.shape[-1] for n, t in zip(names, tensors, strict=True) if role_of(n) == "pairs" and is_square(t)]
    return {"atoms": sizes[0]} if sizes else {}


def _size_of_nodes(names: Sequence[str], tensors: Sequence[Tensor], types: Types) -> dict[str, int]:
    """How many atoms there are in a graph without positions: features or species that all indices find a row of."""
    indices = [t for t, kind in zip(tensors, types, strict=True) if isinstance(kind, Index) and t.numel()]
    if not indices:
        return {}
    needed = 1 + max(int(t.max()) for t in indices)
    nodes = FEATURES | {"z", "species", "node_ids"}
    sizes = [len(t) for n, t in zip(names, tensors, strict=True) if n in nodes and t.dim() and len(t) >= needed]
    return {"atoms": sizes[0]} if sizes else {}


def _same_atoms(tensors: Sequence[Tensor], types: Types, i: int) -> bool:
    return known_of(tensors, types).sizes.get("atoms", _points(tensors[i])) == _points(tensors[i])


def _points(cloud: Tensor) -> int:
    return cloud.shape[-2] if is_cloud(cloud) else cloud.shape[-1]


def is_cloud(tensor: Tensor) -> bool:
    """Whether a tensor may be points, one a row."""
    return tensor.is_floating_point() and tensor.dim() >= 2 and tensor.shape[-1] == 3


def _is_cloud_of_columns(tensor: Tensor, name: str) -> bool:
    columns = tensor.is_floating_point() and tensor.dim() >= 2 and tensor.shape[-2] == 3
    return columns and (tensor.dim() > 2 or role_of(name) == "positions")


def is_square(tensor: Tensor) -> bool:
    """Whether the last two axes are equally long."""
    return tensor.dim() >= 2 and tensor.shape[-1] == tensor.shape[-2] > 1


def known_of(tensors: Sequence[Tensor], types: Types) -> Known:
    """Read the lengths of the index sets off the types that are known."""
    sizes: dict[str, int] = {}
    home = None
    for tensor, kind in zip(tensors, types, strict=True):
        along, axis = getattr(kind, "along", None), getattr(kind, "axis", 0)
        first = axis[0] if isinstance(axis, tuple) else axis
        if along is not None and -tensor.dim() <= first < tensor.dim():
            sizes.setdefault(along, tensor.shape[first])
            home = first % tensor.dim() if along == "atoms" and home is None else home
    return Known(sizes, home or 0)


def named_type(name: str, tensor: Tensor, known: Known) -> Transform | None:
    """What the name says, where the shape allows it."""
    role = ROLES.get(role_of(name))
    if role is None or isinstance(role, Index) or not isinstance(role, Cartesian):
        return None
    if role.rank and not tensor.is_floating_point():
        return None
    if role.components is not None:
        return hessian_of(tensor, known)
    if tuple(tensor.shape[max(tensor.dim() - role.rank, 0) :]) != (3,) * role.rank:
        return None
    if role.moves:
        return Cartesian(1, moves=True)  # points that are no atoms of the structure
    if role.along is None:
        # one for each atom, where its shape says so: dipoles of atoms, stresses of atoms
        of_atoms = role is not CELL and tensor.is_floating_point()
        axes = axes_of(name, tensor, "atoms", known, keep=role.rank) if of_atoms else []
        return replace(role, along="atoms", axis=axes[0]) if axes else role
    axes = axes_of(name, tensor, role.along, known, keep=role.rank)
    if isinstance(role.axis, tuple):
        return replace(role, axis=(axes[0], axes[1])) if len(axes) > 1 else None
    if axes:
        return replace(role, axis=axes[0])
    unlike = role.along in known.sizes
    return (
        None if unlike or tensor.dim() <= role.rank else replace(role, axis=int(tensor.dim() > 1 and len(tensor) == 1))
    )


def hessian_of(tensor: Tensor, known: Known) -> Cartesian | None:
    """Second derivatives by pairs of atoms' positions, [..., atoms, 3, atoms, 3]; None for another shape."""
    n, first = known.sizes.get("atoms"), tensor.dim() - 4
    if first < 0 or tuple(tensor.shape[first:]) != (n, 3, n, 3):
        return None
    return Cartesian(2, along="atoms", axis=(first, first + 2), components=(first + 1, first + 3))


def axes_of(name: str, tensor: Tensor, along: str, known: Known, keep: int = 0) -> list[int]:
    """Axes as long as the index set, without the last `keep`; at the place of the positions' atoms first."""
    axes = [i for i in range(tensor.dim() - keep) if tensor.shape[i] == known.sizes.get(along)]
    home = known.home if along == "atoms" else 0
    if home in axes:
        axes = axes[axes.index(home) :]
    # as many features as atoms are no pairs of atoms
    features = name in FEATURES and len(axes) > 1 and axes[-1] == tensor.dim() - 1
    return axes[:1] if features else axes


def shaped(name: str, tensor: Tensor, known: Known) -> Cartesian:
    """What the shape says: scalars or vectors of atoms, pairs or edges, else an invariant."""
    for along in ("atoms", "edges"):
        vector = tensor.is_floating_point() and tensor.shape[-1:] == (3,) and name not in FEATURES
        for rank in (1, 0) if vector else (0,):
            axes = axes_of(name, tensor, along, known, keep=rank)
            if axes:
                pair = along == "atoms" and len(axes) > 1 and axes[1] == axes[0] + 1
                return Cartesian(rank, along=along, axis=(axes[0], axes[1]) if pair else axes[0])
    return Cartesian()


def _in_columns(tensor: Tensor, setting: Setting) -> bool:
    """Whether vectors of atoms can only be columns, [..., 3, atoms]."""
    columns = tensor.dim() >= 2 and tensor.shape[-1] != 3 and tensor.shape[-2] == 3
    return columns and setting.sizes.get("atoms", tensor.shape[-1]) == tensor.shape[-1]


def place(transform: Transform, tensor: Tensor, setting: Setting) -> Transform:
    """Find the axis that runs over atoms or edges for a type that was spelled, which says none.

    Example:
        >>> import torch
        >>> place(ROLES["forces"], torch.ones(1, 9, 3), Setting({"atoms": 9}, atoms_axis=1)).axis
        1
    """
    along, axis = getattr(transform, "along", None), getattr(transform, "axis", 0)
    if along is None or not is_dataclass(transform) or not isinstance(axis, int):
        return transform
    if isinstance(transform, Cartesian) and transform.rank == 1 and _in_columns(tensor, setting):
        return replace(transform, axis=tensor.dim() - 1, components=(-2,))
    if getattr(transform, "moves", False) and along not in setting.sizes:
        return replace(transform, axis=max(tensor.dim() - 2, 0))
    known = Known(dict(setting.sizes), setting.atoms_axis or 0)
    axes = axes_of("", tensor, along, known, keep=getattr(transform, "rank", 1))
    return replace(transform, axis=axes[0]) if axes else transform
