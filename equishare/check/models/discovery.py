"""What a model takes and returns: inputs copied and typed, outputs typed, gradients where they can be taken."""

from typing import Any

import torch

from equishare.check.errors import CheckError
from equishare.check.models.arguments import argument_names, style_of
from equishare.check.models.precision import Model, at_precision, dtype_of, is_number, private_copy
from equishare.check.models.probe import Probe, Quantity
from equishare.check.models.symmetry.symmetry import Symmetry, describe_leaves, setting_of
from equishare.check.models.tree import Leaves, flatten


def prepare(
    model: Model,
    inputs: Any,
    symmetry: Symmetry,
    dtype: torch.dtype | None,
    device: torch.device | None,
    gradients: bool,
) -> Probe:
    """Copy the model, flatten and type the inputs.

    Raises:
        CheckError: the inputs hold no tensor, or do not fit the claim.
    """
    leaves, rebuild = flatten(inputs)
    if not leaves:
        raise CheckError(f"the inputs hold no tensor, got {type(inputs).__name__}; give one valid input of the model")
    dtype = dtype or dtype_of([leaf for _, leaf in leaves], model)
    try:
        model = private_copy(model, dtype, device)
    except Exception:
        if device is not None:
            raise
    style = style_of(model, inputs)
    placed: Leaves = []
    for path, leaf in leaves:
        here = leaf.detach().to(device=device)
        placed.append((path, at_precision(here, dtype) if is_number(here) else here))
    arguments = argument_names(model, len(inputs) if style == "positional" else 1)
    names = []
    for path, _ in leaves:
        first, *rest = path.split(".")
        names.append(".".join([arguments[int(first)], *rest]) if style == "positional" else path or arguments[0])
    types = symmetry.bind_inputs(placed, names)
    setting = setting_of(placed, names, types)
    guessed = symmetry.guessed(placed, names)
    return Probe(model, placed, names, types, rebuild, style, setting, dtype, gradients, guessed=guessed)


def discover(probe: Probe, symmetry: Symmetry, seed: int) -> list[str]:
    """Run the model once, type its outputs, settle whether gradients can be taken; return notes for the report.

    Raises:
        CheckError: it returned nothing that can be compared.
    """
    outputs = probe.returned()
    if not outputs:
        raise CheckError("the model returned no tensor; name a model that returns what should be compared")
    readings = symmetry.bind_outputs(outputs, probe.setting)
    probe.kept = [i for i, r in enumerate(readings) if r.options]
    if not probe.kept:
        raise CheckError(
            f"no output could be typed; the model returned {describe_leaves(outputs)}. Integers are compared only "
            "where their type is given (`outputs=`, or --output at the prompt), such as 'invariant'; or name a function "
            "that returns the numbers they are made of"
        )
    probe.quantities = [
        Quantity(outputs[i][0] or "output", readings[i].options[0], readings=readings[i]) for i in probe.kept
    ]
    notes = []
    skipped = [path for i, (path, _) in enumerate(outputs) if i not in probe.kept]
    if skipped:
        notes.append("outputs not tested: " + ", ".join(skipped))
    generator = torch.Generator().manual_seed(seed)
    probe.cotangents = [
        torch.randn(
            outputs[i][1].shape,
            generator=generator,
            dtype=torch.complex128 if outputs[i][1].is_complex() else torch.float64,
        )
        for i in probe.kept
    ]
    notes += _settle_gradients(probe)
    return notes


def _settle_gradients(probe: Probe) -> list[str]:
    """Add gradients by the inputs to what is compared, or say why not."""
    if not probe.gradients or not probe.differentiable():
        probe.gradients = False
        return []
    try:
        observed = probe.observe()
    except Exception as error:
        probe.gradients = False
        return [f"gradients not tested: {_why_not(error)}"]
    if len(observed) == len(probe.quantities):
        probe.gradients = False
        return ["gradients not tested: the outputs do not depend differentiably on the inputs"]
    probe.quantities += [
        Quantity(f"gradient by {probe.names[i]}", probe.types[i], gradient=True) for i in probe.differentiable()
    ]
    return []


def _why_not(error: Exception) -> str:
    first_line = str(error).partition(chr(10))[0]
    if "backward through the graph a second time" in first_line:
        return "the model takes its own, and frees the graph"
    return f"{type(error).__name__}: {first_line}"
