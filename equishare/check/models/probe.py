"""Evaluating a model on transformed inputs: outputs and gradients as one list of typed tensors."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from equishare.check.models.arguments import Style
from equishare.check.models.precision import Model, at_precision, cast, is_number, wide
from equishare.check.models.stochastic_arithmetic import StochasticArithmetic
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.readings import Readings
from equishare.check.models.symmetry.symmetry import Setting
from equishare.check.models.symmetry.transform import Transform
from equishare.check.models.tree import Leaves, Rebuild, flatten


@dataclass
class Quantity:
    """One thing that is compared: an output, or the gradient of the outputs with respect to an input.

    Attributes:
        name: of the output, or "gradient by " and the input's.
        transform: the type that it is held to.
        gradient: whether it is a gradient.
        readings: what an output may be.
        unread: none of them fits, and no other action of the group was recognised.
    """

    name: str
    transform: Transform
    gradient: bool = False
    readings: Readings = field(default_factory=lambda: Readings((), settled=True))
    unread: bool = False

    def expected(self, at_identity: Tensor, g: Element) -> Tensor:
        """G f(x), in double precision for all models alike: the comparison must not add noise of its own."""
        x = wide(at_identity)
        return self.transform.linear(x, g) if self.gradient else self.transform.apply(x, g)


@dataclass
class Probe:
    """A model, its typed inputs, and what it returns for g x.

    Args:
        inputs: the inputs' leaves, in the dtype of `dtype`.
        names: what reports call them.
        types: how they transform.
        rebuild: puts leaves back into the inputs' nest.
        style: the nest is a tuple of arguments, a mapping of keywords, or one argument.
        setting: sizes, positions, batch.
        dtype: the real dtype that the model runs in.
        guessed: whether an input's type was inferred.
        draws: whether the model drew random numbers of torch, as far as its operations were watched.
    """

    model: Model
    inputs: Leaves
    names: list[str]
    types: list[Transform]
    rebuild: Rebuild
    style: Style
    setting: Setting
    dtype: torch.dtype
    gradients: bool = True
    quantities: list[Quantity] = field(default_factory=list)
    cotangents: list[Tensor] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    guessed: list[bool] = field(default_factory=list)
    draws: bool = False

    def at(self, model: Model, dtype: torch.dtype) -> "Probe":
        """The same probe on a copy of the model at another precision."""
        return replace(self, model=model, dtype=dtype)

    def arguments(self, g: Element | None = None, leaves: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Return the leaves of g x, computed in double precision and rounded once to the probe's dtype."""
        leaves = [leaf for _, leaf in self.inputs] if leaves is None else leaves
        moved = cast(leaves, torch.float64)
        if g is not None:
            moved = [self._moved(i, x, g) for i, x in enumerate(moved)]
        # always new tensors: a model that changes its inputs in place must not change the caller's
        return [
            at_precision(m, self.dtype).clone() if is_number(m) else m.to(leaf.dtype).clone()
            for m, leaf in zip(moved, leaves, strict=True)
        ]

    def _moved(self, i: int, x: Tensor, g: Element) -> Tensor:
        try:
            return self.types[i].apply(x, g)
        except ValueError as error:
            error.add_note(f"this is the input {self.names[i] or '(the only one)'}, typed {self.types[i].describe()}")
            raise

    def call(self, leaves: Sequence[Tensor]) -> Any:
        """Run the model on these leaves."""
        arguments = self.rebuild(list(leaves))
        if self.style == "positional":
            return self.model(*arguments)
        return self.model(**arguments) if self.style == "keyword" else self.model(arguments)

    def differentiable(self) -> list[int]:
        """Which inputs gradients are taken for: real and complex leaves, other than indices."""
        return [
            i
            for i, ((_, leaf), t) in enumerate(zip(self.inputs, self.types, strict=True))
            if is_number(leaf) and not isinstance(t, Index)
        ]

    def returned(self) -> Leaves:
        """Run once and return all outputs, typed or not."""
        return self._forward(self.arguments(), with_grad=False)[0]

    def observe(
        self,
        g: Element | None = None,
        *,
        leaves: Sequence[Tensor] | None = None,
        stochastic: int | None = None,
        gradients: bool = True,
    ) -> list[Tensor]:
        """Return outputs, then gradients, at g x; `stochastic` is the seed of perturbed arithmetic."""
        try:
            return self._observe(g, leaves, stochastic, gradients)
        except Exception as error:
            if g is not None and leaves is None:
                error.add_note(f"at g x, not at x; g: {g.describe()}")
            raise

    def _observe(
        self,
        g: Element | None,
        leaves: Sequence[Tensor] | None,
        stochastic: int | None,
        gradients: bool,
    ) -> list[Tensor]:
        arguments = self.arguments(g, leaves)
        # turned here: the group's own arithmetic is not the model's, and is not perturbed
        cotangents = self._turned_cotangents(g) if self.gradients and gradients else []
        arithmetic = StochasticArithmetic(self.dtype, stochastic) if stochastic is not None else None
        with arithmetic or nullcontext():
            if stochastic is not None:
                # inputs too, and twice: of code outside torch nothing else can be perturbed
                arguments = [a * 1.0 * 1.0 if is_number(a) else a for a in arguments]
            outputs, watched = self._forward(arguments, with_grad=self.gradients and gradients)
            chosen = [outputs[i][1] for i in self.kept]
            results = [c.detach() for c in chosen]
            if self.gradients and gradients:
                results += self._pull_back(chosen, watched, cotangents)
        self.draws |= arithmetic is not None and arithmetic.draws
        return results

    def _forward(self, arguments: list[Tensor], with_grad: bool) -> tuple[Leaves, list[Tensor]]:
        watched: list[Tensor] = []
        if with_grad:
            for i in self.differentiable():
                arguments[i] = arguments[i].detach().requires_grad_(True)
                watched.append(arguments[i])
        outputs, _ = flatten(self.call(arguments))
        return outputs, watched

    def _turned_cotangents(self, g: Element | None) -> list[Tensor]:
        pairs = zip(self.cotangents, self.quantities, strict=False)
        return [v if g is None else quantity.transform.linear(v, g) for v, quantity in pairs]

    def _pull_back(self, outputs: list[Tensor], watched: list[Tensor], cotangents: list[Tensor]) -> list[Tensor]:
        """Vector-Jacobian product with a fixed random cotangent that turns with the outputs.

        From f(g x) = g f(x) with an orthogonal action follows J(g x)^T (g v) = g (J(x)^T v).
        """
        products = []
        for output, v in zip(outputs, cotangents, strict=False):
            # an output of another shape has failed, and has no gradient to compare
            if output.requires_grad and output.shape == v.shape:
                # the gradient of Re <v, f> is J^T v; given as an argument, v would make torch import sympy (0.7 s)
                product = (v.to(output).conj() * output).sum()
                products.append(product.real if product.is_complex() else product)
        if not products:
            return [torch.zeros_like(w) for w in watched] if any(o.requires_grad for o in outputs) else []
        found = torch.autograd.grad(products, watched, allow_unused=True)
        if all(f is None for f in found):
            return []
        return [torch.zeros_like(w) if f is None else f.detach() for f, w in zip(found, watched, strict=True)]
