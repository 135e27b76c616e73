"""How far a hidden tensor is from carrying an action of the group.

A layer of an equivariant model maps h(x) to h(g x) = M(g) h(x). Which M is not known for a foreign model.
But every representation in use is orthogonal, and an orthogonal M exists if and only if all scalar products
agree: <h_a(g x), h_b(g x)> = <h_a(x), h_b(x)> for all rows a, b (atoms, edges, pixels, over several
    inputs). That is a fit of M
without fitting it: exact, with nothing to overfit, from as few rows as there are. A bias on vectors, which a
least-squares M would absorb with the help of a constant feature, changes scalar products.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.image import Image
from equishare.check.models.symmetry.symmetry import Factor, Setting

_ROWS = 256

Matrix = Float[Tensor, "rows features"]


def residual(
    before: Sequence[Tensor],
    after: Sequence[Tensor],
    factor: Factor,
    g: Element,
    setting: Setting,
    floor: float,
) -> float:
    """Return the relative distance of h(g x) from any action of g on h(x).

    Args:
        before: h(x), one tensor for each of several inputs x.
        after: h(g x) for the same inputs.
        factor: the subgroup that the element comes from.
        g: the element.
        setting: sizes of the index sets.
        floor: relative rounding noise of h; features that change by less count as invariant.

    Returns:
        The residual, of the order of the relative error of h; infinity where shapes cannot match.
    """
    if any(a.shape != b.shape for a, b in zip(before, after, strict=True)):
        return float("inf")
    before, after = [b.to(torch.float64) for b in before], [a.to(torch.float64) for a in after]
    if not all(torch.isfinite(t).all() for t in after):
        return float("inf")
    if not before or before[0].numel() == 0:
        return 0.0
    if _is_filter(before, after, setting):
        return 0.0
    direct = max(_direct(b, a, g, setting) for b, a in zip(before, after, strict=True))
    if direct <= floor:
        return direct
    if not factor.mixes_features:
        return min(direct, _unordered(before, after, g, setting))
    best = min([direct, *(_orthogonal(b, a, floor) for b, a in _row_views(before, after, g, setting))])
    if best > floor and not _is_listed(before[0], setting):
        best = min(best, _spectral(before, after))
    return best


def difference(a: Tensor, b: Tensor) -> float:
    """Root mean square of a - b over that of b, 0 where both vanish."""
    scale = b.square().mean().sqrt()
    gap = (a - b).square().mean().sqrt()
    return float(gap / scale) if scale > 0 else (0.0 if gap == 0 else float("inf"))


def _direct(before: Tensor, after: Tensor, g: Element, setting: Setting) -> float:
    """Residual where features do not mix: h is invariant, permuted, or moved as positions and images are."""
    expected = [before]
    for name, permutation in g.permutations.items():
        axes = [i for i, n in enumerate(before.shape) if n == setting.sizes.get(name)]
        for chosen in product((False, True), repeat=min(len(axes), 3)):
            moved = before
            for axis, take in zip(axes, chosen, strict=False):
                moved = moved.index_select(axis, permutation.to(before.device)) if take else moved
            expected.append(moved)
    if g.translation is not None:
        t = g.translation.to(before)
        expected += [(before.movedim(i, -1) + t).movedim(-1, i) for i, n in enumerate(before.shape) if n == 3]
    if setting.image is not None and _is_map(before):
        expected = _moved_maps(before, g, setting)
    return min((difference(after, e) for e in expected), default=float("inf"))


def _is_map(x: Tensor) -> bool:
    return x.dim() >= 3 and min(x.shape[-2:]) > 1


def _is_filter(before: Sequence[Tensor], after: Sequence[Tensor], setting: Setting) -> bool:
    """A map that no input changes and that has not the image's size: weights on their way into a convolution."""
    constant = all(torch.equal(t, before[0]) for t in (*before, *after))
    return constant and setting.image is not None and tuple(before[0].shape[-2:]) != setting.image


def _moved_maps(x: Tensor, g: Element, setting: Setting) -> list[Tensor]:
    """Where a feature map goes; it may be coarser than the image, and shifts scale with it."""
    if g.turns % 2 and x.shape[-1] != x.shape[-2]:
        return []
    x = Image().apply(x, Element(turns=g.turns, flip=g.flip))
    rows, columns = setting.image or (1, 1)
    down, right = g.shift[0] * x.shape[-2] / rows, g.shift[1] * x.shape[-1] / columns
    floors = [(int(np.floor(down)) + i, int(np.floor(right)) + j) for i, j in product((0, 1), repeat=2)]
    return [torch.roll(x, shift, (-2, -1)) for shift in floors]


def _is_listed(x: Tensor, setting: Setting) -> bool:
    """Whether an axis runs over an index set whose order the inputs fix."""
    return any(n in setting.sizes.values() for n in x.shape) or (setting.image is not None and _is_map(x))


def _row_views(
    before: Sequence[Tensor], after: Sequence[Tensor], g: Element, setting: Setting
) -> list[tuple[Matrix, Matrix]]:
    """Ways to read h(x) and h(g x) as rows that all transform alike."""
    x = before[0]
    if setting.image is not None and _is_map(x):
        moved = [_moved_maps(t, g, setting) for t in before]
        return [(_pixels([m[0] for m in moved]), _pixels(after))] if all(moved) else []
    listed = [i for i, n in enumerate(x.shape) if n in setting.sizes.values()]
    if listed:
        axis = listed[0]
        read = [torch.cat([t.movedim(axis, 0).reshape(t.shape[axis], -1) for t in side]) for side in (before, after)]
        return [(read[0], read[1])]
    views = []
    if all(t.shape == x.shape for t in before):  # a model that finds its own neighbours may find more in one input
        whole = [torch.stack([t.flatten() for t in side]) for side in (before, after)]
        views.append((whole[0], whole[1]))
    if x.dim() > 1:
        read = [torch.cat([t.flatten(1) for t in side]) for side in (before, after)]
        views.append((read[0], read[1]))
    return views


def _pixels(maps: Sequence[Tensor]) -> Matrix:
    """[batch, channels..., rows, columns] to one row a pixel."""
    return torch.cat([m.reshape(m.shape[0], -1, m.shape[-2] * m.shape[-1]).mT.flatten(0, 1) for m in maps])


def _orthogonal(before: Matrix, after: Matrix, floor: float) -> float:
    """Residual of the best orthogonal action on the features that change at all."""
    if before.shape != after.shape:
        return float("inf")
    scale = before.square().mean().sqrt()
    changed = (after - before).square().mean(0).sqrt() > floor * scale
    before, after = before[:, changed], after[:, changed]
    if before.shape[1] == 0:
        return 0.0
    if len(before) > _ROWS:
        chosen = torch.randperm(len(before), generator=torch.Generator().manual_seed(0))[:_ROWS].to(before.device)
        before, after = before[chosen], after[chosen]
    return difference(after @ after.mT, before @ before.mT)


def _unordered(before: Sequence[Tensor], after: Sequence[Tensor], g: Element, setting: Setting) -> float:
    """Rows in an order of the model's own, or flattened: compare what no order changes."""
    named = [setting.sizes.get(name) for name in g.permutations]
    if any(n in named for n in before[0].shape) or (setting.image is not None and _is_map(before[0])):
        return float("inf")
    if g.translation is not None:
        return float("inf")
    # no order changes the values themselves; pairs that are listed the other way round may change sign
    values = [torch.cat([t.flatten().abs().sort().values for t in tensors]) for tensors in (before, after)]
    return difference(values[1], values[0])


def _spectral(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """Singular values: what neither an orthogonal action nor a reordering of the rows changes."""
    if before[0].dim() < 2 or before[0].shape[0] < 2:
        return float("inf")
    values = [[torch.linalg.svdvals(t.flatten(1)[:2048]) for t in tensors] for tensors in (before, after)]
    return max([difference(a, b) for b, a in zip(*values, strict=True)])
