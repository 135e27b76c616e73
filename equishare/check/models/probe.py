"""Evaluating a model on transformed inputs: outputs and gradients as one list of typed tensors."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.precision import Model, StochasticArithmetic, cast
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.symmetry import Setting, Symmetry
from equishare.check.models.symmetry.transform import Transform
from equishare.check.models.tree import Leaves, Rebuild, flatten


@dataclass
class Quantity:
    """One thing that is compared: an output, or the gradient of the outputs with respect to an input."""

    name: str
    transform: Transform
    gradient: bool = False

    def expected(self, at_identity: Tensor, g: Element) -> Tensor:
        """G f(x), in float64 for float32 and float64 alike: the comparison must not add noise of its own."""
        x = at_identity.to(torch.float64)
        return self.transform.linear(x, g) if self.gradient else self.transform.apply(x, g)


@dataclass
class Probe:
    """A model, its typed inputs, and what it returns for g x.

    Args:
        inputs: the inputs' leaves, in the dtype of `dtype`.
        names: what reports call them.
        types: how they transform.
        rebuild: puts leaves back into the inputs' nest.
        positional: the nest is a tuple of arguments.
        setting: sizes, positions, batch.
        dtype: the floating dtype that the model runs in.
    """

    model: Model
    inputs: Leaves
    names: list[str]
    types: list[Transform]
    rebuild: Rebuild
    positional: bool
    setting: Setting
    dtype: torch.dtype
    gradients: bool = True
    quantities: list[Quantity] = field(default_factory=list)
    cotangents: list[Tensor] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def at(self, model: Model, dtype: torch.dtype) -> "Probe":
        """The same probe on a copy of the model at another precision."""
        return replace(self, model=model, dtype=dtype)

    def arguments(self, g: Element | None = None, leaves: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Return the leaves of g x, computed in float64 and rounded once to the probe's dtype."""
        leaves = [leaf for _, leaf in self.inputs] if leaves is None else leaves
        wide = cast(leaves, torch.float64)
        moved = wide if g is None else [t.apply(x, g) for t, x in zip(self.types, wide, strict=True)]
        # always new tensors: a model that changes its inputs in place must not change the caller's
        return [
            torch.empty_like(m, dtype=self.dtype if m.is_floating_point() else leaf.dtype).copy_(m)
            for m, leaf in zip(moved, leaves, strict=True)
        ]

    def call(self, leaves: Sequence[Tensor]) -> Any:
        """Run the model on these leaves."""
        arguments = self.rebuild(list(leaves))
        return self.model(*arguments) if self.positional else self.model(arguments)

    def differentiable(self) -> list[int]:
        """Which inputs gradients are taken for: floating leaves, other than indices."""
        return [
            i
            for i, ((_, leaf), t) in enumerate(zip(self.inputs, self.types, strict=True))
            if leaf.is_floating_point() and not isinstance(t, Index)
        ]

    def discover(self, symmetry: Symmetry, seed: int) -> list[str]:
        """Run once, type the outputs, settle whether gradients can be taken; return notes for the report."""
        notes: list[str] = []
        outputs = self._forward(self.arguments(), with_grad=False)[0]
        if not outputs:
            raise CheckError("the model returned no tensor; name a model that returns what should be compared")
        transforms = symmetry.bind_outputs(outputs, self.setting)
        self.kept = [i for i, t in enumerate(transforms) if t is not None]
        self.quantities = [Quantity(outputs[i][0] or "output", t) for i, t in enumerate(transforms) if t is not None]
        if not self.quantities:
            raise CheckError(
                f"no output could be typed; the model returned {[p for p, _ in outputs]}: "
                "give `outputs` to the symmetry"
            )
        skipped = [path for i, (path, _) in enumerate(outputs) if i not in self.kept]
        if skipped:
            notes.append("outputs not tested: " + ", ".join(skipped))
        generator = torch.Generator().manual_seed(seed)
        self.cotangents = [
            torch.randn(outputs[i][1].shape, generator=generator, dtype=torch.float64) for i in self.kept
        ]
        if self.gradients and not self.differentiable():
            self.gradients = False
        if self.gradients:
            try:
                observed = self._observe(None, None)
            except Exception as error:
                self.gradients = False
                notes.append(f"gradients not tested: {_why_not(error)}")
            else:
                if len(observed) == len(self.quantities):
                    self.gradients = False
                    notes.append("gradients not tested: the outputs do not depend differentiably on the inputs")
                else:
                    self.quantities += [
                        Quantity(f"gradient by {self.names[i]}", self.types[i], gradient=True)
                        for i in self.differentiable()
                    ]
        return notes

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
        stochastic: int | None = None,
        gradients: bool = True,
    ) -> list[Tensor]:
        arguments = self.arguments(g, leaves)
        with StochasticArithmetic(self.dtype, stochastic) if stochastic is not None else nullcontext():
            if stochastic is not None:
                # inputs too, and twice: of code outside torch nothing else can be perturbed
                arguments = [a * 1.0 * 1.0 if a.is_floating_point() else a for a in arguments]
            outputs, watched = self._forward(arguments, with_grad=self.gradients and gradients)
            chosen = [outputs[i][1] for i in self.kept]
            results = [c.detach() for c in chosen]
            if self.gradients and gradients:
                results += self._pull_back(chosen, watched, g)
        return results

    def _forward(self, arguments: list[Tensor], with_grad: bool) -> tuple[Leaves, list[Tensor]]:
        watched: list[Tensor] = []
        if with_grad:
            for i in self.differentiable():
                arguments[i] = arguments[i].detach().requires_grad_(True)
                watched.append(arguments[i])
        outputs, _ = flatten(self.call(arguments))
        return outputs, watched

    def _pull_back(self, outputs: list[Tensor], watched: list[Tensor], g: Element | None) -> list[Tensor]:
        """Vector-Jacobian product with a fixed random cotangent that turns with the outputs.

        From f(g x) = g f(x) with an orthogonal action follows J(g x)^T (g v) = g (J(x)^T v).
        """
        pairs = []
        for output, cotangent, quantity in zip(outputs, self.cotangents, self.quantities, strict=False):
            if output.requires_grad:
                v = cotangent if g is None else quantity.transform.linear(cotangent, g)
                pairs.append((output, v.to(output)))
        if not pairs:
            return []
        found = torch.autograd.grad([o for o, _ in pairs], watched, [v for _, v in pairs], allow_unused=True)
        if all(f is None for f in found):
            return []
        return [torch.zeros_like(w) if f is None else f.detach() for f, w in zip(found, watched, strict=True)]

    def jittered(self, size: float, seed: int) -> list[Tensor]:
        """The inputs, with noise of `size` times their spread: another valid input.

        Positions alone move where there are any, since one-hot species and cells must stay what they are.
        """
        generator = torch.Generator().manual_seed(seed)
        moved = [leaf for _, leaf in self.inputs]
        for i in self._movable():
            leaf = moved[i]
            noise = torch.randn(leaf.shape, generator=generator, dtype=torch.float64).to(leaf)
            moved[i] = leaf + size * (leaf.std() if leaf.numel() > 1 else leaf.abs().max()) * noise
        return moved

    def _movable(self) -> list[int]:
        floating = [i for i in self.differentiable() if self.inputs[i][1].numel()]
        positions = [i for i in floating if getattr(self.types[i], "moves", False)]
        geometric = [i for i in floating if getattr(self.types[i], "rank", 1) > 0]
        return positions or geometric or floating


def _why_not(error: Exception) -> str:
    """Say why gradients could not be taken."""
    first_line = str(error).partition(chr(10))[0]
    if "backward through the graph a second time" in first_line:
        return "the model takes its own, and frees the graph"
    return f"{type(error).__name__}: {first_line}"
