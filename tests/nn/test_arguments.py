"""Sizes that are no sizes, such as 64 / 2 or a count below zero, are told by every public layer when it is made."""

import inspect

import pytest
import torch_features as table

from equishare import nn
from equishare.errors import EquishareError

MAY_BE_ZERO = {"degree", "dimension", "l_max", "order", "order_in", "order_out", "padding"}
NOT_SIZES = {"seed"}

pytestmark = pytest.mark.usefixtures("unchecked")


def arguments_of(name, monkeypatch):
    """A layer's class, and the arguments that the table of features makes it with."""
    kind, seen = getattr(nn, table.layer_of(name)), {}
    own, signature = kind.__init__, inspect.signature(kind.__init__)

    def noted(self, *given, **named):
        bound = signature.bind(self, *given, **named)
        bound.apply_defaults()
        if type(self) is kind and not seen:
            seen.update(list(bound.arguments.items())[1:])
        own(self, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "__init__", noted)
        table.CASES[name].make()
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            seen |= seen.pop(parameter.name, {})
    return kind, seen


def positional(kind, arguments):
    """Positional arguments of ``*layers`` and the like, and named ones."""
    several = [p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_POSITIONAL]
    return [value for name in several for value in arguments[name]], {
        name: value for name, value in arguments.items() if name not in several
    }


def whole(value):
    """Whether an argument is a whole number, or some of them."""
    some = value if isinstance(value, tuple | list) and value else [value]
    return all(isinstance(n, int) and not isinstance(n, bool) for n in some)


@pytest.mark.parametrize("name", sorted(table.CASES))
def test_sizes_are_checked(name, monkeypatch):
    kind, arguments = arguments_of(name, monkeypatch)
    for argument, value in arguments.items():
        if not whole(value) or argument in NOT_SIZES:
            continue
        for wrong in (-1, value + 0.5 if isinstance(value, int) else 2.5, *([] if argument in MAY_BE_ZERO else [0])):
            replaced = wrong if isinstance(value, int) else type(value)([wrong, *value[1:]])
            given, named = positional(kind, arguments | {argument: replaced})
            with pytest.raises(EquishareError):
                pytest.fail(f"{name}({argument}={replaced!r}) is made: {kind(*given, **named)!r}")


def test_a_wrong_size_is_named():
    with pytest.raises(nn.LayerError, match=r"heads: a whole number from 1 up expected, got 4\.0"):
        nn.SetAttention(32, heads=32 / 8)
    with pytest.raises(EquishareError, match=r"channels: a whole number from 1 up expected, got 32\.0"):
        nn.SetLinear(64 / 2, 3)
    with pytest.raises(EquishareError, match=r"whole number from 1 up, got 2\.5"):
        2.5 * table.C4.regular()
