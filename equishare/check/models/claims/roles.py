"""What the names of inputs and outputs mean, and how types are spelled."""

import re
from collections.abc import Mapping

from equishare.check.errors import CheckError
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.irreps import Irreps
from equishare.check.models.symmetry.transform import Transform

_ATOM = Cartesian(along="atoms")
_VECTOR = Cartesian(1, along="atoms")
CELL = Cartesian(1)
"""Lattice vectors, one a row, however many atoms there are."""

ROLES: Mapping[str, Transform] = {
    "invariant": Cartesian(),
    "energy": Cartesian(),
    "pseudoscalar": Cartesian(pseudo=True),
    "vector": Cartesian(1),
    "dipole": Cartesian(1),
    "pseudovector": Cartesian(1, pseudo=True),
    "cell": CELL,
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
    "pairs": Cartesian(along="atoms", axis=(0, 1)),
    "fractional": _ATOM,
    "hessian": Cartesian(2, along="atoms", axis=(0, 2), components=(1, 3)),
    "edge_vectors": Cartesian(1, along="edges"),
}
"""Spellings of types for molecules and point clouds, beside e3nn irreps ("8x0e+4x1o", "atoms: 8x0e+4x1o")."""

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "positions": ("pos", "position", "coors", "coords", "coord", "coordinates", "r", "xyz", "points"),
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
    "edges": ("edge_index", "edge", "edge_indices", "senders", "receivers", "idx_i", "idx_j", "idx_k", "idx_l"),
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
    "vector": ("field", "electric_field", "efield", "external_field", "wavevector"),
    "pseudovector": ("torque", "magnetic_field", "angular_momentum"),
    "fractional": ("frac", "frac_pos", "frac_coord", "frac_coords", "fractional_coordinates", "scaled_positions"),
    "pairs": ("adj", "adjacency", "adjacency_matrix", "dist", "distances", "distance_matrix"),
}
BY_NAME = {name: role for role, names in _ALIASES.items() for name in names} | {role: role for role in ROLES}
_RELATIVE = {"rel", "relative", "diff", "delta", "edge", "edges", "pair", "pairs", "d"}
"""Words for differences of positions, which no translation moves."""
_BY_WORD = {name: role for role in ("positions", "forces") for name in (role, *_ALIASES[role]) if len(name) > 1}


def role_of(name: str) -> str:
    """Say what a name means, "" if nothing; of several words, as in `ligand_pos` or `coords2`, one may say it.

    Example:
        >>> role_of("edge_index"), role_of("ligand_pos"), role_of("x")
        ('edges', 'positions', '')
    """
    words = re.split(r"[_\d]+", name)
    if not _RELATIVE.isdisjoint(words):
        return BY_NAME.get(name, "")
    return BY_NAME.get(name) or next((_BY_WORD[word] for word in words if word in _BY_WORD), "")


_SPELLING = re.compile(r"^(?:(atoms|edges)\s*:\s*)?(.+)$")


def parse(text: str) -> Transform:
    """Turn a spelling into a type: a role of `ROLES`, or e3nn irreps, optionally per atom or edge.

    Raises:
        CheckError: it is neither.

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
    raise CheckError(f"{text!r} is neither one of {sorted(ROLES)} nor e3nn irreps such as '8x0e+4x1o' or 'atoms: 1o'")
