"""Where a check fails under types that were guessed: under which others it would pass."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from equishare.check.models.claims.roles import ROLES, role_of
from equishare.check.models.noise import Noise
from equishare.check.models.output_types import TRIED, error_as
from equishare.check.models.precision import rms
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.series import Series
from equishare.check.models.symmetry.transform import Transform
from equishare.check.reports.verdict import PASS_RATIO

Moved = Sequence[tuple[Element, Tensor]]


def as_another_output(probe: Probe, noise: Noise, name: str, series: Series) -> str:
    """Say under which other type an output would pass, or nothing where its type was given or none fits."""
    i = next(i for i, q in enumerate(probe.quantities) if q.name == name)
    quantity = probe.quantities[i]
    if quantity.readings.settled:
        return ""
    moved = [(g, probe.observe(g, gradients=False)[i]) for g in map(series.element, list(series.numbers)[:TRIED])]
    bound, guess = _bound(noise, i), quantity.transform.describe()
    for transform in quantity.readings.options:
        fits = transform != quantity.transform and _fits(transform, noise.base[i], moved, bound)
        if fits and transform.describe() != guess:
            spelled = next((role for role, t in ROLES.items() if t.describe() == transform.describe()), "")
            how = f"; give it the type {spelled!r} (`outputs=`, --output)" if spelled else "; give its type"
            return f"FAIL under guessed types ({guess}); as {transform.describe()} it would pass{how}"
    if _reordered(noise.base[i], moved, bound):
        return f"FAIL under guessed types ({guess}); its values stay what they are, in an order of their own: sort them"
    return ""


def _bound(noise: Noise, i: int) -> float:
    return PASS_RATIO * noise.floors[i] / max(rms(noise.base[i]), 1e-300)


def _fits(transform: Transform, base: Tensor, moved: Moved, bound: float) -> bool:
    return all(error_as(transform, base, value, g) <= bound for g, value in moved)


def _reordered(base: Tensor, moved: Moved, bound: float) -> bool:
    """Whether only the order of the values changes."""
    if base.numel() < 2 or base.is_complex() or any(value.shape != base.shape for _, value in moved):
        return False
    first = base.flatten().sort().values
    return all(error_as(Cartesian(), first, value.flatten().sort().values, Element()) <= bound for _, value in moved)


def with_another_input(probe: Probe, noise: Noise, series: Series) -> str:
    """Say with which other type of one input all outputs would pass, or nothing where none does.

    Only inputs whose names say nothing are doubted: a model that breaks for `pos` is broken, whatever else `pos` might be.
    """
    elements = [series.element(number) for number in list(series.numbers)[:TRIED]]
    for i, (guessed, (_, leaf)) in enumerate(zip(probe.guessed, probe.inputs, strict=True)):
        doubted = guessed and not role_of(probe.names[i].rpartition(".")[2].lower())
        for other in _others(leaf, probe.setting.sizes) if doubted else ():
            types = [other if j == i else t for j, t in enumerate(probe.types)]
            if other == probe.types[i]:
                continue
            with suppress(Exception):  # the model, or an index, may refuse what the type makes of the input
                tried = replace(probe, types=types)
                if _moved_by_all(tried, elements[0]) and _all_fit(tried, noise, elements):
                    name = probe.names[i] or "the input"
                    return (
                        f"FAIL under guessed types ({name} = {said(probe.types[i], leaf)}); with {name} as {said(other, leaf)} "
                        "it would pass; give its type (`inputs=`, --types)"
                    )
    return ""


def _moved_by_all(probe: Probe, g: Element) -> bool:
    """Whether every part of an element still moves an input: what moves nothing passes, and proves nothing."""
    before = probe.arguments()
    parts = [Element(permutations={name: order}) for name, order in g.permutations.items()]
    parts += [Element(**{name: getattr(g, name)}) for name in g.parts if hasattr(g, name)]
    return all(any(not torch.equal(a, b) for a, b in zip(before, probe.arguments(part), strict=True)) for part in parts)


def _all_fit(probe: Probe, noise: Noise, elements: Sequence[Element]) -> bool:
    outputs = [i for i, q in enumerate(probe.quantities) if not q.gradient]
    for g in elements:
        observed = probe.observe(g, gradients=False)
        if any(
            error_as(probe.quantities[i].transform, noise.base[i], observed[i], g) > _bound(noise, i) for i in outputs
        ):
            return False
    return True


def _others(leaf: Tensor, sizes: Mapping[str, int]) -> Iterator[Transform]:
    """Other types that an input's shape allows, of the simple ones."""
    atoms = sizes.get("atoms", 0)
    if not leaf.is_floating_point():
        if leaf.numel() and leaf.dim() and not leaf.is_complex() and 0 <= int(leaf.min()) <= int(leaf.max()) < atoms:
            yield Index(along="edges" if leaf.shape[-1] == sizes.get("edges") else None)
        return
    members = [(None, 0), *(("atoms", axis) for axis in range(leaf.dim()) if leaf.shape[axis] == atoms)]
    for along, axis in members:
        if leaf.shape[-1:] == (3,) and (along is None or axis < leaf.dim() - 1):
            yield Cartesian(1, along=along, axis=axis)
            yield Cartesian(1, along=along, axis=axis, moves=True)
            yield Cartesian(1, along=along, axis=axis, pseudo=True)
        if leaf.shape[-2:] == (3, 3) and (along is None or axis < leaf.dim() - 2):
            yield Cartesian(2, along=along, axis=axis)
        yield Cartesian(along=along, axis=axis)


def said(kind: Transform, leaf: Tensor) -> str:
    """Describe a type, with the axis that it runs along where that is not the first.

    Example:
        >>> import torch
        >>> said(Cartesian(1, along="atoms", axis=1, moves=True), torch.ones(2, 8, 3))
        'positions on axis 1'
    """
    axis = getattr(kind, "axis", 0)
    where = f" on axis {axis % leaf.dim()}" if getattr(kind, "along", None) and isinstance(axis, int) and axis else ""
    return kind.describe() + where
