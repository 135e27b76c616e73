"""Pictures of sharing patterns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from equishare.sharing.pattern import SharingError, SharingPattern

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_PICTURE = 250_000  # entries


def picture(patterns: SharingPattern | Mapping[str, SharingPattern]) -> Figure:
    """Pattern matrices by base weight: equal colours are equal weights (up to sign), white is zero.

    Raises:
        SharingError: there is no pattern.

    >>> from equishare import groups, sharing
    >>> points = groups.symmetric(4).permutation()
    >>> picture(sharing.solve(points * points, points)).axes[0].get_title()
    '64 from 5'
    """
    import numpy as np
    from matplotlib.figure import Figure

    if isinstance(patterns, SharingPattern):
        patterns = {"": patterns}
    if not patterns:
        raise SharingError("one pattern or more is needed for a picture, got none")
    columns = min(4, len(patterns))
    lines = math.ceil(len(patterns) / columns)
    figure = Figure(figsize=(4.5 * columns, 3.2 * lines), layout="constrained")
    for k, (name, pattern) in enumerate(patterns.items()):
        axes = figure.add_subplot(lines, columns, k + 1)
        rows = pattern.as_matrix().abs().cpu().numpy().round(9)
        _, colour = np.unique(rows, axis=0, return_inverse=True)
        scattered = (colour.ravel() * 0.6180339887) % 1.0  # neighbours in number are far apart in colour
        shape: Literal["equal", "auto"] = (
            "equal" if 0.25 < pattern.shape[0] / (pattern.numel / pattern.shape[0]) < 4 else "auto"
        )
        image = np.ma.masked_where(~rows.any(axis=1), scattered).reshape(pattern.shape[0], -1)
        axes.imshow(image, cmap="viridis", vmin=0, vmax=1, interpolation="nearest", aspect=shape)
        axes.set_title(f"{name}\n{pattern.numel} from {pattern.n_free}".strip(), fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure
