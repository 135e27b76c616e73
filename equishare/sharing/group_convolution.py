"""Group convolution as weight sharing: one filter, turned and reflected."""

from __future__ import annotations

import numpy as np
import torch

from equishare.groups.finite import FiniteGroup
from equishare.groups.lattice import grid_permutation
from equishare.groups.on_cpu import on_cpu
from equishare.groups.representation import Representation
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError


@on_cpu
def group_convolution(
    group: FiniteGroup, kernel_size: tuple[int, ...], field: Representation | None = None
) -> IndexPattern:
    """The filter bank of one field of the regular representation, from one base filter.

    W[g, j, x] = +-w[g^-1 j, g^-1 x], with j a coordinate of the input field (``field``: trivial for a lifting
    convolution, regular by default) and x a tap (Cohen & Welling 2016, "Group Equivariant Convolutional
    Networks"). Exact for groups that map the filter's grid to itself.

    Raises:
        GroupError: the group does not map the grid to itself.
        SharingError: the input field is not acted on by (signed) permutations.

    >>> from equishare import groups
    >>> group_convolution(groups.cyclic(4), (3, 3))
    IndexPattern(shape=(4, 4, 3, 3), n_free=36)
    """
    field = group.regular() if field is None else field
    if field.kind == "matrix":
        raise SharingError(f"a field acted on by (signed) permutations is needed, got {field}")
    taps = grid_permutation(group, kernel_size)
    index = np.empty((group.order, field.size, taps.size), dtype=np.int64)
    sign = np.empty((group.order, field.size, 1), dtype=np.int8)
    for row, g in enumerate(group.elements):
        back = field.signed_permutation(group.inverse(g))
        if back is None:
            raise SharingError(f"{field} does not act by signed permutations")
        index[row] = back.image[:, None] * taps.size + taps.image(group.inverse(g))[None]
        sign[row] = back.sign[:, None]
    shape = (group.order, field.size, *kernel_size)
    signs = np.broadcast_to(sign, index.shape).reshape(shape).copy()
    return IndexPattern(torch.from_numpy(index.reshape(shape)), torch.from_numpy(signs), field.size * taps.size)
