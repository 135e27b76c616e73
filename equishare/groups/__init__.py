"""Who acts: groups and their representations."""

from equishare.groups.change_of_group import induce, restrict
from equishare.groups.cyclic import CyclicGroup, DihedralGroup, cyclic, dihedral
from equishare.groups.finite import FiniteGroup
from equishare.groups.generated import from_matrices, from_permutations
from equishare.groups.group import Group, GroupError
from equishare.groups.intertwiners import intertwiner_count
from equishare.groups.lattice import GridPermutation, grid_permutation
from equishare.groups.lie import LieGroup, from_lie_algebra, lorentz, o, sl, so, sp, su, u
from equishare.groups.mixed_product import MixedProduct
from equishare.groups.orthogonal import OrthogonalGroup, o2, o3, so2, so3
from equishare.groups.polyhedral import icosahedral, octahedral
from equishare.groups.products import direct, semidirect, translations
from equishare.groups.representation import Representation, direct_sum
from equishare.groups.symmetric import alternating, symmetric

__all__ = [
    "CyclicGroup",
    "DihedralGroup",
    "FiniteGroup",
    "GridPermutation",
    "Group",
    "GroupError",
    "LieGroup",
    "MixedProduct",
    "OrthogonalGroup",
    "Representation",
    "alternating",
    "cyclic",
    "dihedral",
    "direct",
    "direct_sum",
    "from_lie_algebra",
    "from_matrices",
    "from_permutations",
    "grid_permutation",
    "icosahedral",
    "induce",
    "intertwiner_count",
    "lorentz",
    "o",
    "o2",
    "o3",
    "octahedral",
    "restrict",
    "semidirect",
    "sl",
    "so",
    "so2",
    "so3",
    "sp",
    "su",
    "symmetric",
    "translations",
    "u",
]
