"""Types that nobody gave: those of all inputs together, from names and shapes; readings of outputs."""

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass, replace

from torch import Tensor

from equishare.check.models.claims.roles import BY_NAME, ROLES
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.readings import Readings
from equishare.check.models.symmetry.symmetry import Setting
from equishare.check.models.symmetry.transform import Transform

FEATURES = {"h", "x", "feat", "feats", "features", "node_feats", "node_features", "node_attr", "node_attrs", "s"}
"""Names of features without directions: three of them are no vector."""

Types = list[Transform | None]


@dataclass(frozen=True)
class _Known:
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
        types[i] = replace(ROLES["positions"], axis=tensors[i].dim() - 2)  # type: ignore[type-var]
    known = _known(tensors, types)
    for i, (name, tensor) in enumerate(zip(short, tensors, strict=True)):
        if types[i] is None and not tensor.is_floating_point() and BY_NAME.get(name) == "edges":
            types[i] = Index(axis=0) if tensor.dim() == 1 else Index()
            known.sizes.setdefault("edges", tensor.shape[-1])
    for i, (name, tensor) in enumerate(zip(short, tensors, strict=True)):
        types[i] = types[i] or _named(name, tensor, known)
    found = _known(tensors, types)
    known = _Known({**found.sizes, **known.sizes}, found.home)
    return [t or _shaped(name, tensor, known) for t, name, tensor in zip(types, short, tensors, strict=True)]


def _positions(names: Sequence[str], tensors: Sequence[Tensor], types: Types) -> list[int]:
    """Which untyped inputs are positions of the atoms: those named so, else the only cloud of points there is."""
    clouds = [i for i, t in enumerate(tensors) if types[i] is None and _is_cloud(t)]
    named = [i for i in clouds if BY_NAME.get(names[i]) == "positions"]
    if any(getattr(t, "moves", False) for t in types):
        return [i for i in named if _same_atoms(tensors, types, i)]
    if named:
        return [i for i in named if tensors[i].shape[-2] == tensors[named[0]].shape[-2]]
    nameless = [i for i in clouds if names[i] not in BY_NAME and names[i] not in FEATURES - {"x"}]
    return [i for i in nameless if names[i] == "x"][:1] or nameless[:1]


def _same_atoms(tensors: Sequence[Tensor], types: Types, i: int) -> bool:
    return _known(tensors, types).sizes.get("atoms", tensors[i].shape[-2]) == tensors[i].shape[-2]


def _is_cloud(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.dim() >= 2 and tensor.shape[-1] == 3


def _known(tensors: Sequence[Tensor], types: Types) -> _Known:
    sizes: dict[str, int] = {}
    home = None
    for tensor, kind in zip(tensors, types, strict=True):
        along, axis = getattr(kind, "along", None), getattr(kind, "axis", 0)
        first = axis[0] if isinstance(axis, tuple) else axis
        if along is not None and -tensor.dim() <= first < tensor.dim():
            sizes.setdefault(along, tensor.shape[first])
            home = first % tensor.dim() if along == "atoms" and home is None else home
    return _Known(sizes, home or 0)


def _named(name: str, tensor: Tensor, known: _Known) -> Transform | None:
    """What the name says, where the shape allows it."""
    role = ROLES.get(BY_NAME.get(name, ""))
    if role is None or isinstance(role, Index) or not isinstance(role, Cartesian):
        return None
    if role.rank and not tensor.is_floating_point():
        return None
    if tuple(tensor.shape[max(tensor.dim() - role.rank, 0) :]) != (3,) * role.rank:
        return None
    if role.moves:
        return Cartesian(1, moves=True)  # points that are no atoms of the structure
    if role.along is None:
        return role
    axes = _axes(name, tensor, role.along, known, keep=role.rank)
    if isinstance(role.axis, tuple):
        return replace(role, axis=(axes[0], axes[1])) if len(axes) > 1 else None
    if axes:
        return replace(role, axis=axes[0])
    unlike = role.along in known.sizes
    return (
        None if unlike or tensor.dim() <= role.rank else replace(role, axis=int(tensor.dim() > 1 and len(tensor) == 1))
    )


def _axes(name: str, tensor: Tensor, along: str, known: _Known, keep: int = 0) -> list[int]:
    """Axes as long as the index set, without the last `keep`; at the place of the positions' atoms first."""
    axes = [i for i in range(tensor.dim() - keep) if tensor.shape[i] == known.sizes.get(along)]
    home = known.home if along == "atoms" else 0
    if home in axes:
        axes = axes[axes.index(home) :]
    # as many features as atoms are no pairs of atoms
    features = name in FEATURES and len(axes) > 1 and axes[-1] == tensor.dim() - 1
    return axes[:1] if features else axes


def _shaped(name: str, tensor: Tensor, known: _Known) -> Cartesian:
    for along in ("atoms", "edges"):
        vector = tensor.is_floating_point() and tensor.shape[-1:] == (3,) and name not in FEATURES
        for rank in (1, 0) if vector else (0,):
            axes = _axes(name, tensor, along, known, keep=rank)
            if axes:
                pair = along == "atoms" and len(axes) > 1 and axes[1] == axes[0] + 1
                return Cartesian(rank, along=along, axis=(axes[0], axes[1]) if pair else axes[0])
    return Cartesian()


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
    if getattr(transform, "moves", False) and along not in setting.sizes:
        return replace(transform, axis=max(tensor.dim() - 2, 0))
    known = _Known(dict(setting.sizes), setting.atoms_axis or 0)
    axes = _axes("", tensor, along, known, keep=getattr(transform, "rank", 1))
    return replace(transform, axis=axes[0]) if axes else transform


def infer_output(path: str, tensor: Tensor, setting: Setting) -> Readings:
    """Say what an output may be, by its name, else by its shape: the likeliest reading first.

    Example:
        >>> import torch
        >>> found = infer_output("0", torch.ones(9, 3), Setting({"atoms": 9}))
        >>> [t.describe() for t in found.options]
        ['vector per atom', 'positions', 'scalar per atom', 'pseudovector per atom']
    """
    name = path.rpartition(".")[2].lower()
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return Readings(())
    known = _Known(dict(setting.sizes), setting.atoms_axis or 0)
    role = ROLES.get(BY_NAME.get(name, ""))
    if role is not None and getattr(role, "moves", False) and _is_cloud(tensor):
        return Readings((_at_atoms(role, tensor, known),), settled=True)
    named = _named(name, tensor, known)
    if named is not None:
        return Readings((named,), settled=True)
    return Readings(tuple(_readings(tensor, known)), foreign=bool(name) and not name.isdigit() and role is None)


def _at_atoms(role: Transform, tensor: Tensor, known: _Known) -> Transform:
    axes = _axes("", tensor, "atoms", known, keep=1)
    return replace(role, axis=axes[0]) if axes else Cartesian(1, moves=True)  # type: ignore[type-var]


def _readings(tensor: Tensor, known: _Known) -> list[Transform]:
    first = _shaped("", tensor, known)
    along, axis = first.along, first.axis
    if along is None and tensor.shape[-2:] == (3, 3):
        return [Cartesian(2), Cartesian(1), Cartesian()]
    if along is None and tensor.dim() <= 2 and tensor.shape[-1:] == (3,):
        return [Cartesian(1), Cartesian(1, pseudo=True), Cartesian(), Cartesian(1, moves=True)]
    if not first.rank:
        single = [replace(first, axis=axis[0])] if isinstance(axis, tuple) else []
        return [first, *single, replace(first, pseudo=True)]
    readings: list[Transform] = [first, replace(first, moves=along == "atoms"), replace(first, rank=0)]
    if tensor.dim() > 2 and tensor.shape[-2] == 3:
        readings.append(replace(first, rank=2))
    return list(dict.fromkeys([*readings, replace(first, pseudo=True)]))
