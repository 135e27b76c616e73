"""The check of any model: f(g x) against g f(x), judged by the model's own noise."""

import time
from typing import Any

import torch

from equishare.check.errors import CheckError
from equishare.check.models.examination import Examination, Progress
from equishare.check.models.precision import Model, argument_names, dtype_of, isolated_rng, module_of, private_copy
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.symmetry import Symmetry, setting_of
from equishare.check.models.tree import Leaves, flatten
from equishare.check.reports.symmetry_report import EquivarianceReport


def equivariance(
    model: Model,
    inputs: Any,
    symmetry: Symmetry,
    *,
    samples: int | None = None,
    seed: int = 0,
    tolerance: float = 0.0,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    gradients: bool = True,
    localise: bool = True,
    progress: Progress | None = None,
) -> EquivarianceReport:
    r"""Check a model's claim f(g x) = g f(x) and, where it fails, find the module that breaks it.

    Elements g are drawn and the relative error ``|f(g x) - g f(x)| / |f(x)|`` (root mean squares) is compared with
    the noise floor: the rounding error of the model on the same inputs, ``|f32 - f64|`` for a model that can be
    cast, else the scatter under Monte Carlo arithmetic. The factors of the symmetry are tested all together, with
    products of their elements; where a product does not pass, each factor is tested alone. Gradients are tested
    as one more output. The model, its mode, its inputs and torch's random state stay as they were.

    Args:
        model: any callable or `nn.Module`.
        inputs: one valid input; a tuple is several positional arguments. Of four atoms or more, where atoms
            count.
        symmetry: what is claimed, for instance `molecule(...)`, `image("C4")`.
        samples: elements per factor; by default 24 rotations and translations, 48 permutations, all of a
            small group.
        seed: of everything that is drawn; the same seed draws the same elements.
        tolerance: relative error that passes whatever the floor.
        dtype: cast a copy of the model and the inputs first.
        device: move a copy of the model and the inputs there first.
        gradients: test gradients too.
        localise: name the first module that breaks a symmetry that fails.
        progress: called with the fraction done and what is being done; first of all with the expected cost.

    Raises:
        CheckError: inputs or outputs do not fit the symmetry's types, or nothing of it applies to them.

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
    started = time.perf_counter()
    with isolated_rng():
        torch.manual_seed(seed)
        probe = _prepare(
            model, inputs, symmetry, dtype, torch.device(device) if device is not None else None, gradients
        )
        notes = probe.discover(symmetry, seed)
        applicable = [f for f in symmetry.factors if f.applies(probe.setting)]
        if not applicable:
            raise CheckError(f"nothing of the symmetry {symmetry.name!r} acts on inputs typed {_typing(probe)}")
        skipped = [f.name for f in symmetry.factors if f not in applicable]
        if skipped:
            notes.append("not applicable to these inputs: " + ", ".join(skipped))
        examination = Examination(probe, samples, seed, tolerance, progress, notes)
        tests, culprit = examination.run(applicable, localise)
    module = module_of(model)
    return EquivarianceReport(
        model=type(module).__name__ if module is not None else getattr(model, "__name__", str(model)),
        symmetry=symmetry.name,
        factors=[f.name for f in applicable],
        dtype=str(probe.dtype).removeprefix("torch."),
        device=str(next((leaf.device for _, leaf in probe.inputs), "cpu")),
        seed=seed,
        inputs=_typing(probe),
        tests=tests,
        breaks=culprit,
        floor_method=examination.noise.method,
        notes=notes,
        estimated_seconds=examination.estimate,
        seconds=time.perf_counter() - started,
    )


def _prepare(
    model: Model,
    inputs: Any,
    symmetry: Symmetry,
    dtype: torch.dtype | None,
    device: torch.device | None,
    gradients: bool,
) -> Probe:
    """Copy the model, flatten and type the inputs."""
    leaves, rebuild = flatten(inputs)
    if not leaves:
        raise CheckError(f"the inputs hold no tensor, got {type(inputs).__name__}; give one valid input of the model")
    dtype = dtype or dtype_of([leaf for _, leaf in leaves], model)
    try:
        model = private_copy(model, dtype, device)
    except Exception:
        if device is not None:
            raise
    positional = isinstance(inputs, tuple) and not hasattr(inputs, "_fields")
    placed: Leaves = [
        (path, leaf.detach().to(device=device, dtype=dtype if leaf.is_floating_point() else None))
        for path, leaf in leaves
    ]
    arguments = argument_names(model, len(inputs) if positional else 1)
    paths = [path.split(".") for path, _ in leaves]
    names = [
        ".".join([arguments[int(path[0])], *path[1:]]) if positional else ".".join(path) or arguments[0]
        for path in paths
    ]
    types = symmetry.bind_inputs(placed, names)
    setting = setting_of(placed, names, types)
    return Probe(model, placed, names, types, rebuild, positional, setting, dtype, gradients)


def _typing(probe: Probe) -> dict[str, str]:
    return {name or "input": t.describe() for name, t in zip(probe.names, probe.types, strict=True)}
