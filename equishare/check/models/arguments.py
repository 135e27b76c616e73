"""How a model takes its inputs: what its arguments are called, and whether they go by name."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from equishare.check.models.precision import Model

Style = Literal["positional", "keyword", "single"]


@dataclass(frozen=True)
class Signature:
    """What a callable says about its arguments.

    Attributes:
        positional: names of those that can be given without their name.
        keyword_only: names of those that cannot, and have no default.
        required: names of the positional ones without a default.
        starred: it takes any number of positional arguments.
        any_keyword: it takes any keyword.
    """

    positional: tuple[str, ...] = ()
    keyword_only: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    starred: bool = False
    any_keyword: bool = False


def signature_of(model: Model) -> Signature:
    """Read a model's signature; empty, with `starred`, where it has none that Python can read.

    Example:
        >>> signature_of(lambda z, *, pos: pos)
        Signature(positional=('z',), keyword_only=('pos',), required=('z',), starred=False, any_keyword=False)
    """
    function = model.forward if isinstance(model, nn.Module) else model
    if isinstance(function, torch.ScriptMethod):
        return _of_script(function)
    try:
        parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    except (TypeError, ValueError):
        return Signature(starred=True)
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return Signature(
        positional=tuple(p.name for p in plain),
        keyword_only=tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty),
        required=tuple(p.name for p in plain if p.default is p.empty),
        starred=any(p.kind is p.VAR_POSITIONAL for p in parameters),
        any_keyword=any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def _of_script(function: "torch.ScriptMethod[..., Any]") -> Signature:
    """Read what TorchScript keeps of a signature; a traced module shows Python `*args` alone."""
    arguments = function.schema.arguments[1:]
    return Signature(
        positional=tuple(a.name for a in arguments if not a.kwarg_only),
        keyword_only=tuple(a.name for a in arguments if a.kwarg_only and not a.has_default_value()),
        required=tuple(a.name for a in arguments if not a.kwarg_only and not a.has_default_value()),
    )


def argument_names(model: Model, count: int) -> list[str]:
    """Names of a model's first positional arguments, as far as it tells them."""
    names = signature_of(model).positional
    return [names[i] if i < len(names) else str(i) for i in range(count)]


def style_of(model: Model, inputs: Any) -> Style:
    """How inputs are meant: a tuple is several arguments; a mapping is keywords where its keys name arguments.

    Example:
        >>> style_of(lambda z, pos: pos, {"z": 1, "pos": 2}), style_of(lambda data: data, {"z": 1})
        ('keyword', 'single')
    """
    if isinstance(inputs, tuple) and not hasattr(inputs, "_fields"):
        return "positional"
    if not isinstance(inputs, Mapping):
        return "single"
    signature = signature_of(model)
    keys = set(inputs)
    known = keys <= {*signature.positional, *signature.keyword_only} or signature.any_keyword
    return "keyword" if keys and known and keys.issuperset((*signature.required, *signature.keyword_only)) else "single"
