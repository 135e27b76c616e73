"""Which components (l, m) there are up to a degree."""

from functools import cache

import numpy as np

from equishare.errors import LayerError


def degree_count(components: int) -> int:
    """How many degrees 0..L have this many components in all.

    >>> degree_count(16)
    4
    """
    count = round(components**0.5)
    if count * count != components:
        raise LayerError(f"expected (L + 1)^2 components for some L, got {components}")
    return count


@cache
def component_degrees(components: int) -> np.ndarray:
    """Degree l of each component (l, m).

    >>> component_degrees(9).tolist()
    [0, 1, 1, 1, 2, 2, 2, 2, 2]
    """
    return np.repeat(np.arange(degree_count(components)), 2 * np.arange(degree_count(components)) + 1)
