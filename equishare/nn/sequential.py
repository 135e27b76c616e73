"""Layers one after the other, with representations that fit."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

from equishare.nn.feature_types import FeatureTypes, Invariants, fits
from equishare.nn.fields.activation import ENTRYWISE, check_entrywise
from equishare.nn.layer import EquivarianceError, Layer, LayerError, plain


class Sequential(Layer):
    """f_n after ... after f_1, where each layer takes what the one before it gives: fields, sets, E(3) features, invariants.

    Law: f(rho_in(g) x) = rho_out(g) f(x), as exact as its layers. Entrywise torch activations may stand among
    the layers, and ``torch.nn.Linear`` on invariants; they are checked too. What a layer gives several of, the next
    takes as several arguments.

    Raises:
        EquivarianceError: a representation does not fit, or a module is of unknown symmetry.
        LayerError: ``forward`` is given an option that no layer takes.

    >>> import torch
    >>> from equishare import groups, nn
    >>> G = groups.cyclic(4)
    >>> net = nn.Sequential(
    ...     nn.GroupConv2d(G, 1, 4, 3, lifting=True), torch.nn.ReLU(), nn.GroupPool(4 * G.regular())
    ... )
    >>> net.rep_in, net.rep_out, net(torch.zeros(1, 1, 5, 5)).shape
    (trivial(C4), 4*trivial(C4), torch.Size([1, 4, 5, 5]))
    >>> sets = nn.Sequential(nn.SetLinear(3, 16), torch.nn.ReLU(), nn.SetPool(), torch.nn.Linear(16, 2))
    >>> sets(torch.randn(2, 5, 3), mask=torch.ones(2, 5, dtype=torch.bool)).shape
    torch.Size([2, 2])
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        given: FeatureTypes = None
        for position, layer in enumerate(layers):
            name = f"layer {position}, {type(layer).__name__}"
            if position == 0:
                given = self.rep_in = _first(layer, name)
            given = _after(layer, given, name)
        if not layers:
            raise EquivarianceError("at least one layer expected")
        self.rep_out = given
        self.layers = nn.ModuleList(layers)
        self._options = [_option_names(layer) for layer in layers]

    def forward(self, *inputs: Tensor, **options: Any) -> Any:
        """The layers in turn.

        Args:
            inputs: what the first layer takes.
            options: further arguments by name, such as ``mask`` or ``edge_index``; each goes to every layer that takes it.
        """
        unknown = set(options).difference(*self._options)
        if unknown:
            raise LayerError(f"no layer takes {sorted(unknown)}")
        x: Any = inputs
        for layer, names in zip(self.layers, self._options, strict=True):
            arguments = x if isinstance(x, tuple) else (x,)
            x = layer(*arguments, **{name: options[name] for name in options if name in names})
        return x

    def to_torch(self) -> nn.Module:
        """A ``torch.nn.Sequential`` of the plain layers; where one of them takes options, the same chain of plain layers."""
        parts = [plain(layer) for layer in self.layers]
        if not any(self._options):
            return nn.Sequential(*parts).train(self.training)
        return super().to_torch()


def _first(layer: nn.Module, name: str) -> FeatureTypes:
    """What the first layer takes."""
    if isinstance(layer, nn.Linear):
        return Invariants(layer.in_features)
    taken = layer.rep_in if isinstance(layer, Layer) else None
    if taken is None:
        raise EquivarianceError(f"{name}: the first layer must be one with a declared input representation")
    return taken


def _after(layer: nn.Module, given: FeatureTypes, name: str) -> FeatureTypes:
    """What a module gives after ``given``."""
    if isinstance(layer, Layer):
        try:
            return layer.after(given)
        except EquivarianceError as error:
            raise EquivarianceError(f"{name}, {error}") from None
    if isinstance(layer, nn.Linear):
        if not fits(given, Invariants(layer.in_features)):
            raise EquivarianceError(
                f"{name}, takes {layer.in_features} invariants, but the layer before it gives {given}"
            )
        return Invariants(layer.out_features)
    if isinstance(layer, ENTRYWISE):
        if given is None or isinstance(given, tuple):
            raise EquivarianceError(f"{name}, an activation must follow a layer with one output")
        check_entrywise(layer, given)
        return given
    raise EquivarianceError(
        f"{name}, declares no representations: use this library's layers, entrywise torch activations, or "
        "torch.nn.Linear on invariants"
    )


def _option_names(layer: nn.Module) -> frozenset[str]:
    """Arguments of a layer's forward that have a default or a name alone."""
    if isinstance(layer, Sequential):
        return frozenset[str]().union(*layer._options)
    parameters = inspect.signature(layer.forward).parameters.values()
    return frozenset(p.name for p in parameters if p.kind == p.KEYWORD_ONLY or p.default is not p.empty)
