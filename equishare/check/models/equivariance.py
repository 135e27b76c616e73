"""The check of any model: f(g x) against g f(x), judged by the model's own noise."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from equishare.check.errors import CheckError
from equishare.check.models.discovery import discover, prepare
from equishare.check.models.examination import Examination
from equishare.check.models.movement import unmoved
from equishare.check.models.options import Options
from equishare.check.models.other_readings import said
from equishare.check.models.output_types import read_foreign_outputs
from equishare.check.models.precision import Model, isolated_rng, module_of, private_copy
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.symmetry import Factor, Symmetry
from equishare.check.reports.source import source_of
from equishare.check.reports.symmetry_report import EquivarianceReport, SymmetryTest
from equishare.check.reports.verdict import Verdict
from equishare.clock import Clock


def equivariance(model: Model, inputs: Any, symmetry: Symmetry, **options: Any) -> EquivarianceReport:
    r"""Check a model's claim f(g x) = g f(x) and, where it fails, find the module that breaks it.

    Elements g are drawn and the relative error ``|f(g x) - g f(x)| / |f(x)|`` (root mean squares) is compared with
    the noise floor: the rounding error of the model on the same inputs, ``|f32 - f64|`` for a model that can be
    cast, else the scatter under Monte Carlo arithmetic. The factors of the symmetry are tested all together, with
    products of their elements; where a product does not pass, each factor is tested alone. Gradients are tested
    as one more output. The model, its mode, its inputs and torch's random state stay as they were.

    Args:
        model: any callable or `nn.Module`.
        inputs: one valid input; a tuple is several positional arguments, a mapping whose keys are the names of
            arguments is keywords. Of four atoms or more, where atoms count.
        symmetry: what is claimed, for instance `molecule(...)`, `image("C4")`.
        **options: those of `Options`: samples, seed, tolerance, dtype, device, gradients, localise, seconds, progress.

    Raises:
        CheckError: inputs or outputs do not fit the symmetry's types, or there is no such option.

    Example:
        >>> from equishare.check import point_cloud
        >>> distances = lambda r: torch.cdist(r, r).sum()
        >>> r = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
        >>> equivariance(distances, (r,), point_cloud()).passed
        True
        >>> report = equivariance(lambda r: r[:, 0].abs().sum(), (r,), point_cloud())
        >>> report.passed, [f.factor for f in report.tests if f.verdict == "pass" and not f.gradient]
        (False, ['permutation'])
    """
    chosen = Options.of(options)
    clock = Clock()
    with isolated_rng():
        torch.manual_seed(chosen.seed)
        device = torch.device(chosen.device) if chosen.device is not None else None
        probe = prepare(model, inputs, symmetry, chosen.dtype, device, chosen.gradients)
        notes = discover(probe, symmetry, chosen.seed)
        applicable = [f for f in symmetry.factors if f.applies(probe.setting)]
        if not applicable:
            raise CheckError(_nothing_acts(symmetry, probe))
        still = unmoved(probe, applicable, chosen.seed)
        tested = [f for f in applicable if f not in still]
        skipped = [f.name for f in symmetry.factors if f not in applicable]
        if skipped:
            notes.append("not applicable to these inputs: " + ", ".join(skipped))
        tests, culprit, method, estimate = [_untested(f) for f in still], None, "not measured", 0.0
        if tested:
            notes += read_foreign_outputs(probe, tested, chosen.seed)
            examination = Examination(probe, _fresh(model, probe, device), chosen, notes)
            found, culprit = examination.run(tested)
            tests = _with_doubt(found, probe) + tests
            method, estimate = examination.noise.method, examination.estimate
    module = module_of(model)
    return EquivarianceReport(
        model=type(module).__name__ if module is not None else getattr(model, "__name__", str(model)),
        symmetry=symmetry.name,
        factors=[f.name for f in tested],
        dtype=str(probe.dtype).removeprefix("torch."),
        device=str(next((leaf.device for _, leaf in probe.inputs), "cpu")),
        seed=chosen.seed,
        inputs=_typing(probe),
        tests=tests,
        breaks=culprit,
        floor_method=method,
        notes=notes,
        estimated_seconds=estimate,
        seconds=clock.seconds,
        source=source_of(model),
    )


def _fresh(model: Model, probe: Probe, device: torch.device | None) -> Callable[[], Model] | None:
    """What makes copies of the caller's model, which the check itself never runs; None where it cannot be copied."""
    if module_of(model) is None or probe.model is model:
        return None
    return lambda: private_copy(model, probe.dtype, device)


def _typing(probe: Probe) -> dict[str, str]:
    leaves = [leaf for _, leaf in probe.inputs]
    return {name or "input": said(t, leaf) for name, t, leaf in zip(probe.names, probe.types, leaves, strict=True)}


def _nothing_acts(symmetry: Symmetry, probe: Probe) -> str:
    """Say why no part of a claim can be tested, and what to do."""
    typed = ", ".join(f"{name} = {kind}" for name, kind in _typing(probe).items())
    text = f"nothing of the claim {symmetry.name!r} acts on these inputs ({typed})"
    single = [name for name, size in probe.setting.sizes.items() if size == 1]
    if single:
        shapes = ", ".join(str(list(leaf.shape)) for _, leaf in probe.inputs)
        return (
            f"{text}: of {single[0]} there is one alone, in shapes {shapes}; give an input with more, or say which axis runs "
            "over them (`axis=`, --axis at the prompt)"
        )
    return f"{text}; give their types with `inputs=`, or --types at the prompt"


def _untested(factor: Factor) -> SymmetryTest:
    """A row for a part of the claim that moves none of the inputs: nothing was tested, so nothing passes."""
    return SymmetryTest(
        factor=factor.name,
        quantity="inputs",
        transform="-",
        gradient=False,
        verdict=Verdict.UNDECIDED,
        error=0.0,
        noise_floor=0.0,
        ratio=0.0,
        confidence=0.0,
        samples=0,
        note="not tested: it moves none of the inputs, as they were recognised; give their types with "
        "`inputs=`, or --types at the prompt",
    )


def _with_doubt(tests: Sequence[SymmetryTest], probe: Probe) -> list[SymmetryTest]:
    """An output whose type could not be guessed, and that carries no action that was recognised, is undecided."""
    unread = {q.name for q in probe.quantities if q.unread}
    for test in tests:
        if test.quantity in unread and test.verdict is Verdict.FAIL:
            test.verdict, test.confidence = Verdict.UNDECIDED, 0.5
            test.note = (
                "its name says no type, and none that was tried fits; give its type, or leave it out of `outputs`"
            )
    return list(tests)
