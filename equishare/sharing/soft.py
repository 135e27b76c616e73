"""Soft sharing: a penalty that pulls weights together, and its hard limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import SharingError
from equishare.sharing.tie import owner, share, tie


@dataclass(frozen=True)
class GeometricSchedule:
    """lambda(step) = start * (end / start)^(step / steps), and ``end`` from then on.

    >>> schedule = GeometricSchedule(0.01, 100.0, 4)
    >>> [round(schedule(step), 6) for step in (0, 2, 4, 9)]
    [0.01, 1.0, 100.0, 100.0]
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        if not (self.start > 0 and self.end > 0 and self.steps > 0):
            raise SharingError(f"positive start, end and steps expected, got {self}")

    def __call__(self, step: int) -> float:
        """The strength at a step."""
        return self.start * (self.end / self.start) ** (min(max(step, 0), self.steps) / self.steps)


def pairwise_penalty(tensors: Sequence[Float[Tensor, "*shape"]]) -> Float[Tensor, ""]:
    """The sum over pairs i < j of ||w_i - w_j||^2, as m sum_i ||w_i - mean||^2.

    >>> pairwise_penalty([torch.tensor([0.0]), torch.tensor([2.0]), torch.tensor([4.0])])
    tensor(24.)
    """
    stacked = torch.stack(list(tensors))
    return len(tensors) * (stacked - stacked.mean(0)).square().sum()


def pattern_penalty(pattern: IndexPattern, weight: Float[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """The sum over pairs of entries that the pattern shares of their squared difference (after their signs).

    Entries that the pattern holds at zero are paired with zero.

    >>> pattern_penalty(IndexPattern(torch.tensor([0, 0, 1])), torch.tensor([1.0, 3.0, 7.0]))
    tensor(4.)
    """
    rest = (weight - pattern.expand(pattern.project(weight))).reshape(-1)
    index = pattern.index.reshape(-1)
    uses = torch.bincount(index + 1, minlength=pattern.n_free + 1).to(weight.dtype)
    uses[0] = 1.0
    return (uses[index + 1] * rest.square()).sum()


class SoftSharing:
    """Replaces equality by a penalty lambda(step) * sum ||w_i - w_j||^2 over weights that should agree.

    For fixed lambda this is a Gaussian prior of variance 1 / (2 lambda) on each difference (Nowlan & Hinton
    1992); a schedule that grows lambda leads to hard sharing, which ``harden`` then makes exact.

    Args:
        module: the module to train.
        schedule: the strength lambda as a function of the step.
        ties: groups of names of parameters that should agree.
        patterns: patterns that single parameters should follow, by name.

    Raises:
        SharingError: a name is unknown, or shapes differ.

    >>> model = nn.ModuleList([nn.Linear(2, 2, bias=False) for _ in range(3)])
    >>> schedule = GeometricSchedule(start=0.1, end=10.0, steps=100)
    >>> soft = SoftSharing(model, schedule, ties=[["0.weight", "1.weight", "2.weight"]])
    >>> soft.penalty(step=0).item() > 0
    True
    >>> soft.harden()
    >>> model[0].weight is model[2].weight
    True
    """

    def __init__(
        self,
        module: nn.Module,
        schedule: Callable[[int], float],
        *,
        ties: Sequence[Sequence[str]] = (),
        patterns: Mapping[str, IndexPattern] | None = None,
    ) -> None:
        self.module, self.schedule = module, schedule
        self.ties = [list(names) for names in ties]
        self.patterns = dict(patterns or {})
        for names in self.ties:
            shapes = {tuple(self._value(name).shape) for name in names}
            if len(shapes) != 1:
                raise SharingError(f"parameters of one shape are needed, {names} have {sorted(shapes)}")
        for name, pattern in self.patterns.items():
            if tuple(self._value(name).shape) != pattern.shape:
                raise SharingError(f"{name!r} has shape {tuple(self._value(name).shape)}, the pattern {pattern.shape}")

    def _value(self, name: str) -> Tensor:
        holder, leaf = owner(self.module, name)
        return getattr(holder, leaf)

    def penalty(self, step: int) -> Float[Tensor, ""]:
        """The term to add to the loss; zero once the sharing is hard."""
        terms = [pairwise_penalty([self._value(name) for name in names]) for names in self.ties]
        for name, pattern in self.patterns.items():
            weight = self._value(name)
            terms.append(pattern_penalty(pattern.to(weight.device), weight))
        if not terms:
            return next(self.module.parameters()).new_zeros(())
        return self.schedule(step) * torch.stack(terms).sum()

    def harden(self) -> None:
        """Set the weights to their means and tie them for good."""
        for first, *others in self.ties:
            with torch.no_grad():
                self._value(first).copy_(torch.stack([self._value(n) for n in (first, *others)]).mean(0))
            for name in others:
                tie(self.module, name, first)
        for name, pattern in self.patterns.items():
            share(self.module, name, pattern)
        self.ties, self.patterns = [], {}
