"""Other valid inputs, made of the one that was given: a little different, or very."""

import math

import torch
from torch import Tensor

from equishare.check.models.precision import is_number
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.index import Index


def jittered(probe: Probe, size: float, seed: int) -> list[Tensor]:
    """The inputs, with noise of `size` times their spread: another valid input.

    Positions alone move where there are any, since one-hot species and cells must stay what they are.
    """
    generator = torch.Generator().manual_seed(seed)
    moved = [leaf for _, leaf in probe.inputs]
    for i in _movable(probe):
        leaf = moved[i]
        dtype = torch.complex128 if leaf.is_complex() else torch.float64
        noise = torch.randn(leaf.shape, generator=generator, dtype=dtype).to(leaf)
        moved[i] = leaf + size * (leaf.std() if leaf.numel() > 1 else leaf.abs().max()) * noise
    return moved


def _movable(probe: Probe) -> list[int]:
    numbers = [i for i in probe.differentiable() if probe.inputs[i][1].numel()]
    positions = [i for i in numbers if getattr(probe.types[i], "moves", False)]
    geometric = [i for i in numbers if getattr(probe.types[i], "rank", 1) > 0]
    return positions or geometric or numbers


def very_different(probe: Probe, seed: int) -> list[list[Tensor]]:
    """Inputs that share little with the given one, the most different first; a model may refuse them.

    Another size and composition (a third of the atoms or members are gone, the others are of each other's kinds, and
    edges between those that are left), and the same size moved far.
    """
    far = _other_kinds(probe, jittered(probe, 0.5, seed), seed)
    kept = {name: max(1, math.ceil(2 * n / 3)) for name, n in probe.setting.sizes.items() if name != "edges"}
    smaller = _reduced(probe, far, kept)
    return [smaller, far] if any(a.shape != b.shape for a, b in zip(smaller, far, strict=True)) else [far]


def _other_kinds(probe: Probe, leaves: list[Tensor], seed: int) -> list[Tensor]:
    """Integers along atoms or members change places, unless they say which structure an atom is in."""
    generator = torch.Generator().manual_seed(seed)
    changed = list(leaves)
    for i, (leaf, kind) in enumerate(zip(leaves, probe.types, strict=True)):
        listed = isinstance(kind, Cartesian) and isinstance(kind.axis, int) and kind.along is not None
        if listed and not is_number(leaf) and leaf is not probe.setting.batch and kind.along != "edges":  # type: ignore[attr-defined]
            order = torch.randperm(leaf.shape[kind.axis], generator=generator)  # type: ignore[attr-defined]
            changed[i] = leaf.index_select(kind.axis, order.to(leaf.device))  # type: ignore[attr-defined]
    return changed


def _reduced(probe: Probe, leaves: list[Tensor], kept: dict[str, int]) -> list[Tensor]:
    """Keep the first members of every index set, and what names them alone."""
    edges = _edges_left(probe, leaves, kept)
    reduced = []
    for leaf, kind in zip(leaves, probe.types, strict=True):
        along, axes = getattr(kind, "along", None), getattr(kind, "axis", 0)
        for axis in axes if isinstance(axes, tuple) else (axes,):
            if along in kept:
                leaf = leaf.narrow(axis, 0, kept[along])
            elif along == "edges" and edges is not None:
                leaf = leaf.index_select(axis, edges)
        reduced.append(leaf)
    return reduced


def _edges_left(probe: Probe, leaves: list[Tensor], kept: dict[str, int]) -> Tensor | None:
    left = None
    for leaf, kind in zip(leaves, probe.types, strict=True):
        if isinstance(kind, Index) and kind.along == "edges" and kind.of in kept:
            inside = (leaf < kept[kind.of]).movedim(kind.axis, -1).reshape(-1, leaf.shape[kind.axis]).all(0)
            left = inside if left is None else left & inside
    return None if left is None else torch.nonzero(left).flatten()
