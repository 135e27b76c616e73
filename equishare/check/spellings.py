"""Short spellings of the usual symmetries: molecules, point clouds, images, sets, groups."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from equishare.check import factors
from equishare.check.symmetry import Spec, Symmetry
from equishare.check.transform import Cartesian, Image, Index, Irreps, Represented, Transform

_ATOM = Cartesian(along="atoms")
_VECTOR = Cartesian(1, along="atoms")

ROLES: Mapping[str, Transform] = {
    "invariant": Cartesian(),
    "energy": Cartesian(),
    "pseudoscalar": Cartesian(pseudo=True),
    "vector": Cartesian(1),
    "dipole": Cartesian(1),
    "pseudovector": Cartesian(1, pseudo=True),
    "cell": Cartesian(1),
    "stress": Cartesian(2),
    "matrix": Cartesian(2),
    "positions": Cartesian(1, along="atoms", moves=True),
    "forces": _VECTOR,
    "vectors": _VECTOR,
    "species": _ATOM,
    "atoms": _ATOM,
    "batch": _ATOM,
    "edges": Index(),
    "edge_scalars": Cartesian(along="edges"),
    "edge_vectors": Cartesian(1, along="edges"),
}
"""Spellings of types for molecules and point clouds, beside e3nn irreps ("8x0e+4x1o", "atoms: 8x0e+4x1o")."""

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "positions": ("pos", "position", "coords", "coord", "coordinates", "r", "xyz", "points"),
    "species": (
        "z",
        "atomic_numbers",
        "numbers",
        "node_attrs",
        "types",
        "atom_types",
        "elements",
        "node_attr",
    ),
    "edges": ("edge_index", "edge", "edge_indices", "senders", "receivers", "idx_i", "idx_j"),
    "batch": ("batch", "idx_m"),
    "cell": ("cells", "lattice"),
    "forces": ("force", "velocities", "velocity", "vel", "momenta", "magmoms"),
    "stress": ("virial", "virials", "polarizability", "polarisability", "quadrupole", "stresses"),
    "edge_vectors": ("edge_vec", "shifts", "edge_vectors", "offsets", "rij", "_rij"),
    "edge_scalars": (
        "edge_attr",
        "unit_shifts",
        "edge_cell_shift",
        "edge_weight",
        "edge_lengths",
        "cell_shifts",
    ),
    "energy": ("energies", "total_energy", "ptr", "y"),
}
_BY_NAME = {name: role for role, names in _ALIASES.items() for name in names} | {role: role for role in ROLES}
_SPELLING = re.compile(r"^(?:(atoms|edges)\s*:\s*)?(.+)$")


def parse(text: str) -> Transform:
    """Turn a spelling into a type: a role of `ROLES`, or e3nn irreps, optionally per atom or edge.

    Raises:
        ValueError: it is neither.

    Example:
        >>> parse("forces").describe(), parse("atoms: 2x1o").describe()
        ('vector per atom', '2x1o per atom')
    """
    text = text.strip()
    if text in ROLES:
        return ROLES[text]
    found = _SPELLING.match(text)
    if found and re.fullmatch(r"[\dxeo+ ]+", found[2]):
        return Irreps(found[2].replace(" ", ""), along=found[1])
    raise ValueError(f"{text!r} is neither one of {sorted(ROLES)} nor e3nn irreps such as '8x0e+4x1o' or 'atoms: 1o'")


def _infer_input(path: str, tensor: Tensor, sizes: Mapping[str, int]) -> Transform:
    name = path.rpartition(".")[2].lower()
    if name in ("senders", "receivers", "idx_i", "idx_j"):
        return Index(axis=0)
    if name in _BY_NAME:
        return ROLES[_BY_NAME[name]]
    return _by_shape(tensor, sizes, fallback_vector=name == "x" and "atoms" not in sizes)


def _by_shape(tensor: Tensor, sizes: Mapping[str, int], fallback_vector: bool = False) -> Transform:
    shape = tuple(tensor.shape)
    if fallback_vector and len(shape) == 2 and shape[1] == 3:
        return ROLES["positions"]
    for label in ("atoms", "edges"):
        if shape and label in sizes and shape[0] == sizes[label]:
            return Cartesian(1 if shape[1:] == (3,) and tensor.is_floating_point() else 0, along=label)
    return Cartesian()


def _infer_output(path: str, tensor: Tensor, sizes: Mapping[str, int]) -> Transform | None:
    name = path.rpartition(".")[2].lower()
    if not tensor.is_floating_point():
        return None
    if name in _BY_NAME:
        role = ROLES[_BY_NAME[name]]
        return role if not isinstance(role, Index) else None
    if name and not name.isdigit():
        return None  # an output with a name that we do not know may be anything
    if tensor.shape[-2:] == (3, 3) and tensor.shape[0] != sizes.get("atoms"):
        return Cartesian(2)
    if tensor.dim() <= 2 and tensor.shape[-1:] == (3,) and tensor.shape[0] != sizes.get("atoms"):
        return Cartesian(1)
    return _by_shape(tensor, sizes)


def molecule(inputs: Spec = None, outputs: Spec = None, *, improper: bool = True) -> Symmetry:
    """Rotations, reflections, translations, reordering of atoms, and of edges where there are any.

    Args:
        inputs: types shaped like the inputs, for instance `("species", "positions", "edges")`; what is left
            out is inferred from argument names (`z`, `pos`, `edge_index`, ...) and shapes, and the report
            says how.
        outputs: likewise, for instance `"energy"`, `{"energy": "energy", "forces": "forces"}` or `"atoms:
            8x0e+4x1o"`.
        improper: test reflections too.

    Example:
        >>> [f.name for f in molecule().factors]
        ['rotation', 'reflection', 'translation', 'permutation', 'edge order']
    """
    chosen = [factors.rotation()] + [factors.reflection()] * improper + [factors.translation()]
    chosen += [factors.permutation("atoms"), factors.permutation("edges", samples=16)]
    return Symmetry("molecule", tuple(chosen), inputs, outputs, _infer_input, _infer_output, parse)


def point_cloud(inputs: Spec = "positions", outputs: Spec = None, *, improper: bool = True) -> Symmetry:
    """The symmetry of a molecule for models whose inputs are points, without edges."""
    chosen = (
        [factors.rotation()] + [factors.reflection()] * improper + [factors.translation(), factors.permutation("atoms")]
    )
    return Symmetry("point cloud", tuple(chosen), inputs, outputs, _infer_input, _infer_output, parse)


def geometric(inputs: Spec, outputs: Spec, *, improper: bool = True) -> Symmetry:
    """O(3) alone (SO(3) without `improper`): layers whose inputs are features, such as those of e3nn.

    Example:
        >>> geometric("8x0e+4x1o", "4x0e").name
        'O(3)'
    """
    chosen = [factors.rotation()] + [factors.reflection()] * improper
    return Symmetry("O(3)" if improper else "SO(3)", tuple(chosen), inputs, outputs, _infer_input, _infer_output, parse)


_PLANAR = {
    "C1": (1, False),
    "C2": (2, False),
    "C4": (4, False),
    "D1": (1, True),
    "D2": (2, True),
    "D4": (4, True),
}


def image(group: str = "C4", inputs: Spec = None, outputs: Spec = None, *, translations: bool = False) -> Symmetry:
    """Quarter turns and mirrors of images (the last two axes), and circular shifts.

    Inputs with three or more axes are images. Outputs with a square of pixels are feature maps with
    invariant channels, all others are invariant; give `Image(group_axis=...)` for regular feature maps.

    Args:
        group: "C2", "C4", "D1" (mirror alone), "D2", "D4", or "C1" (with `translations`).
        inputs: types, where they are not simply images.
        outputs: types, likewise.
        translations: test circular shifts by whole pixels too.

    Raises:
        ValueError: no such group.

    Example:
        >>> [f.name for f in image("C4", translations=True).factors]
        ['quarter turns', 'translation']
    """
    if group not in _PLANAR:
        raise ValueError(f"group {group!r} is none of {sorted(_PLANAR)}")
    turns, mirrors = _PLANAR[group]
    chosen = [factors.planar(turns, mirrors)] if group != "C1" else []
    chosen += [factors.shift()] * translations
    return Symmetry(f"image under {group}", tuple(chosen), inputs, outputs, _infer_image, _infer_image, _parse_image)


def _infer_image(path: str, tensor: Tensor, sizes: Mapping[str, int]) -> Transform:
    return Image() if tensor.dim() >= 3 and min(tensor.shape[-2:]) > 1 else Cartesian()


def _parse_image(text: str) -> Transform:
    if text not in ("image", "invariant"):
        raise ValueError(f"a type for images is 'image', 'invariant' or an Image(...); got {text!r}")
    return Image() if text == "image" else Cartesian()


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
            raise ValueError(f"a type for sets is 'members', 'invariant' or a Transform; got {text!r}")
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
    from equishare.check.field import Field

    axis = 1 if fibre is None else fibre

    def output(path: str, tensor: Tensor, sizes: Mapping[str, int]) -> Transform:
        pooled = tensor.dim() < 2 + space
        return Represented(representation_out, axis) if pooled else Field(representation_out, space, axis)

    return Symmetry(
        f"fields of {representation_in.group}",
        (factors.abstract(representation_in),),
        Field(representation_in, space, axis),
        infer_output=output,
    )
