"""Structures that the subjects share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from ase import Atoms
from ase.build import molecule
from torch import Tensor

from equishare import check


@dataclass(frozen=True)
class Row:
    """One thing that is checked.

    Attributes:
        name: what it is.
        report: runs the check, with options such as `seconds`.
        known: the verdict that is right, as far as that is known.
        why: what is known of it.
    """

    name: str
    report: Callable[..., Any]
    known: str = "pass"
    why: str = ""


def row(
    name: str, model: Any, inputs: Any, claim: check.Symmetry, *, known: str = "pass", why: str = "", **options: Any
) -> Row:
    """A model to be checked."""
    return Row(name, lambda **more: check.equivariance(model, inputs, claim, **{**options, **more}), known, why)


def calculator_row(
    name: str, calculator: Any, atoms: Atoms, *, known: str = "pass", why: str = "", **options: Any
) -> Row:
    """A calculator to be checked."""
    return Row(name, lambda **more: check.calculator(calculator, atoms, **{**options, **more}), known, why)


def structure() -> Atoms:
    """Twenty atoms of H, C and O: ethyl methyl ether on benzene's face, distorted."""
    atoms = molecule("CH3CH2OCH3") + molecule("C6H6")
    atoms.positions[12:] += [0, 0, 3.4]
    atoms = atoms[:20]
    atoms.rattle(0.05, seed=0)
    return atoms


def edges_within(positions: Tensor, cutoff: float) -> Tensor:
    """All ordered pairs within the cutoff, [2, edges]."""
    near = (torch.cdist(positions, positions) < cutoff) & ~torch.eye(len(positions), dtype=torch.bool)
    return torch.nonzero(near).T.contiguous()
