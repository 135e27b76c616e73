"""Finding the first module of a model that breaks a symmetry."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from equishare.check.models.culprit.action import difference, residual
from equishare.check.models.culprit.trace import Call, trace
from equishare.check.models.noise import Noise
from equishare.check.models.other_inputs import jittered
from equishare.check.models.precision import module_of
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.field import Field
from equishare.check.models.symmetry.irreps import Irreps
from equishare.check.models.symmetry.represented import Represented
from equishare.check.models.symmetry.symmetry import Factor
from equishare.check.models.symmetry.transform import Transform
from equishare.check.reports.source import Source, source_of

FRAMES = 4
JITTER = 0.1
_RATIO = 10.0


@dataclass
class Culprit:
    """The first module that breaks a symmetry.

    Attributes:
        path: dotted path in the module tree; the class name of the model where the break is in its own code.
        kind: class of the module.
        reason: what was seen, in words.
        residual: how far its output is from any action of the group, relative.
        noise_floor: how far rounding alone moves that output, relative.
        modules: (path, residual, floor) of the modules that were measured on the way, in order of execution.
        source: where the module's class is written.
    """

    path: str
    kind: str
    reason: str
    residual: float
    noise_floor: float
    modules: list[tuple[str, float, float]] = field(default_factory=list)
    source: Source | None = None


def find_culprit(probe: Probe, noise: Noise, broken: tuple[Factor, Element], seed: int) -> Culprit | None:
    """Follow the calls of a failing model down to the module where the break begins.

    Starting at the model, of all calls that a module makes the first whose output carries no action of the
    group any more is followed; where a call's inputs are already broken, or no call is, the break is in the
    module's own code. Modules inside one whose output is sound are never accused. Activations are compared in
    float64 where the model can be cast, against the difference that float32 makes to them.

    Args:
        probe: the failing model.
        noise: its noise, with its copy at the other precision.
        broken: the subgroup and element that it fails under.
        seed: of the jittered inputs.

    Returns:
        The culprit, or None for a callable without modules.
    """
    return _searched(probe, lambda: _Search(probe, noise, *broken, seed))


def find_memory(probe: Probe, fresh: Probe | None, between: Sequence[list[Tensor]], seed: int) -> Culprit | None:
    """Find the first module of a model that gives two answers to one question.

    Args:
        probe: the model and its inputs.
        fresh: the same with a copy of the model that has evaluated nothing yet: the two are compared at another input;
            None to compare the model with itself, before and after other inputs.
        between: those other inputs; one that the model refuses is left out.
        seed: of the other input.
    """
    return _searched(probe, lambda: _Repetition(probe, fresh, between, seed))


def _searched(probe: Probe, make: Callable[[], "_Search"]) -> Culprit | None:
    if module_of(probe.model) is None:
        return None
    try:
        return make().run()
    except Exception as error:
        # what was found must not be lost because nobody is to blame
        kind = type(module_of(probe.model)).__name__
        first_line = (str(error).splitlines() or [""])[0]
        return Culprit(kind, kind, f"its modules could not be compared: {first_line}", float("nan"), 0.0)


class _Search:
    """The search for a break of equivariance."""

    def __init__(self, probe: Probe, noise: Noise, factor: Factor, element: Element, seed: int) -> None:
        self.probe, self.factor, self.setting = probe, factor, probe.setting
        wide, narrow = probe, noise.other
        self.floor_scale = 1.0
        if narrow is not None and torch.finfo(narrow.dtype).eps < torch.finfo(probe.dtype).eps:
            wide, narrow = narrow, probe
        elif narrow is not None:
            self.floor_scale = torch.finfo(probe.dtype).eps / torch.finfo(narrow.dtype).eps
        self.epsilon = torch.finfo(probe.dtype).eps
        frames = [
            [leaf for _, leaf in probe.inputs],
            *(jittered(probe, JITTER, seed + i) for i in range(1, FRAMES)),
        ]
        self.element = element
        self.before = [trace(wide, None, leaves) for leaves in frames]
        self.after = [trace(wide, element, leaves) for leaves in frames]
        if narrow is not None:
            self.noisy = [trace(narrow, None, leaves) for leaves in frames[:2]]
        else:
            self.noisy = [trace(probe, None, leaves, stochastic=seed) for leaves in frames[:2]]
        self.modules: list[tuple[str, float, float]] = []
        self.mistyped: tuple[Call, float, float] | None = None

    def run(self) -> Culprit | None:
        before, after, noisy = ([c for c in calls if c is not None] for calls in (self.before, self.after, self.noisy))
        if not before:
            return None
        return self._descend(before, after, noisy)

    def _descend(self, before: list[Call], after: list[Call], noisy: list[Call]) -> Culprit:
        """All lists hold the same call, for several inputs; its output is broken and its inputs are not."""
        here = before[0]
        count = min(len(c.children) for c in (*before, *after, *noisy))
        for i in range(count):
            b, a, n = ([c.children[i] for c in calls] for calls in (before, after, noisy))
            if any(c.path != b[0].path for c in (*b, *a, *n)):
                break
            error, floor = self._compare(b, a, n, "inputs")
            if error > _RATIO * floor:
                return self._own(here, error, floor, f"in its own code, before it calls {b[0].path.rpartition('.')[2]}")
            error, floor = self._compare(b, a, n, "outputs")
            self.modules.append((b[0].path, error, floor))
            if error > _RATIO * floor:
                return self._descend(b, a, n)
            self._look_at_types(b, a, n)
        if self.mistyped is not None and self.mistyped[0].path.startswith(here.path):
            reason = "its output carries another action than the type that it declares"
            return self._culprit(*self.mistyped, reason)
        error, floor = self._compare(before, after, noisy, "outputs")
        if error <= _RATIO * floor and not here.path and type(self) is _Search:
            reason = "no module breaks it: its output carries an action, but not the one that it was held to"
            return self._culprit(here, error, floor, reason)
        where = "in its own code, after its last call" if count else "in its own code"
        return self._own(here, error, floor, where)

    def _own(self, call: Call, error: float, floor: float, where: str) -> Culprit:
        return self._culprit(
            call,
            error,
            floor,
            where if call.children or not call.path else "its output breaks, its input does not",
        )

    def _culprit(self, call: Call, error: float, floor: float, reason: str) -> Culprit:
        kind = type(call.module).__name__
        return Culprit(call.path or kind, kind, reason, error, floor, self.modules, source_of(call.module))

    def _compare(self, before: list[Call], after: list[Call], noisy: list[Call], side: str) -> tuple[float, float]:
        """Return residual and floor of the worst tensor of a call."""
        lists = [[getattr(c, side) for c in calls] for calls in (before, after, noisy)]
        worst = (0.0, self.epsilon)
        for i in range(min(len(tensors) for calls in lists for tensors in calls)):
            b, a, n = ([tensors[i] for tensors in calls] for calls in lists)
            error, floor = self._measure(b, a, n)
            if error / floor > worst[0] / worst[1]:
                worst = (error, floor)
        return worst

    def _measure(self, before: list[Tensor], after: list[Tensor], noisy: list[Tensor]) -> tuple[float, float]:
        floor = self._floor(before, noisy)
        return residual(before, after, self.factor, self.element, self.setting, _RATIO * floor), floor

    def _floor(self, before: list[Tensor], noisy: list[Tensor]) -> float:
        gaps = [
            self.floor_scale * difference(n.to(torch.float64), b.to(torch.float64))
            for n, b in zip(noisy, before, strict=False)
            if n.shape == b.shape
        ]
        # the smaller one: a rounding that tips over a threshold in one input is no noise of the other
        return max(self.epsilon, min((gap for gap in gaps if gap < float("inf")), default=0.0))

    def _look_at_types(self, before: list[Call], after: list[Call], noisy: list[Call]) -> None:
        """Remember the first module whose output carries an action, but not the one that it declares."""
        if self.mistyped is not None or len(before[0].outputs) != 1 or self.element.permutations:
            return
        wide = before[0].outputs[0].to(torch.float64)
        errors = []
        for declared in declared_types(before[0].module, self.element, wide.dim()):
            try:
                expected = declared.apply(wide, self.element)
            except ValueError:
                continue
            errors.append(difference(after[0].outputs[0].to(torch.float64), expected))
        if not errors:
            return
        error = min(errors)
        floor = self._floor([before[0].outputs[0]], [noisy[0].outputs[0]])
        if error > _RATIO * floor:
            self.mistyped = (before[0], error, floor)


class _Repetition(_Search):
    """The search for the module that gives two answers to one question."""

    def __init__(self, probe: Probe, fresh: Probe | None, between: Sequence[list[Tensor]], seed: int) -> None:
        self.probe = probe
        self.epsilon = torch.finfo(probe.dtype).eps
        if fresh is not None:
            close = jittered(probe, 0.01, seed)
            first, second = trace(fresh, None, close), trace(probe, None, close)
        else:
            first = trace(probe)
            for leaves in between:
                with suppress(Exception):  # a model may refuse another size
                    probe.observe(leaves=leaves, gradients=False)
            second = trace(probe)
        self.before, self.after = [first], [second]
        self.noisy = [first]
        self.modules, self.mistyped = [], None

    def _measure(self, before: list[Tensor], after: list[Tensor], noisy: list[Tensor]) -> tuple[float, float]:
        if before[0].shape != after[0].shape or not torch.isfinite(after[0]).all():
            return float("inf"), self.epsilon
        return difference(after[0].to(torch.float64), before[0].to(torch.float64)), self.epsilon

    def _look_at_types(self, before: list[Call], after: list[Call], noisy: list[Call]) -> None:
        pass


def declared_types(module: nn.Module, g: Element, dimension: int) -> list[Transform]:
    """Return the types that a module may mean by what it declares: e3nn's `irreps_out`, or a `rep_out` of ours.

    Args:
        module: may declare nothing.
        g: a declaration that says nothing of this element does not count.
        dimension: how many axes the output has; more than two are those of a field.

    Example:
        >>> import torch
        >>> layer = torch.nn.Identity()
        >>> layer.irreps_out = "2x0e+1x1o"
        >>> turn = Element(orthogonal=torch.eye(3))
        >>> [t.describe() for t in declared_types(layer, turn, 2)]
        ['2x0e+1x1o']
    """
    irreps = getattr(module, "irreps_out", None)
    if g.abstract is None and irreps is not None and type(irreps) not in (list, tuple):
        return [Irreps(str(irreps))]
    representation = getattr(module, "rep_out", None)
    if g.abstract is None or representation is None or not hasattr(representation, "matrix"):
        return []
    fields: list[Transform] = [Field(representation, dimension - 2)] if dimension > 2 else []
    return [Represented(representation), *fields]
