"""The contract of every layer: what it takes, what it gives, which weights it shares.

A layer is a ``Layer``, and says three things:

``rep_in``, ``rep_out``
    How symmetry acts on its input and its output, each an immutable value compared by ``==``:

    - a ``groups.Representation`` for fields, ``[batch, channels, *space]`` (``SharedLinear``: channels last);
    - ``SetFeatures(order, channels)`` for sets and graphs of any size, ``[..., n, channels]``;
    - ``Layout`` for E(3) features, ``[atoms, (l, m), channels]`` or e3nn's ``[atoms, irreps.dim]``;
    - ``Invariants(channels)`` for numbers that no symmetry moves, ``[..., channels]``;
    - a tuple of these, one for each argument or output, where there are several;
    - None for what has no law, or is no feature (tokens, distances, attention masks).

    Each of them is a ``FeatureType``: it has ``kind`` and ``invariants``, so that `fits` and ``nn.Sequential`` need know no more.

``shared_weights(call=None)``
    For each parameter that is used more than once, how many entries of the untied weight its base weights fill, as a
    ``sharing.SharedWeight``. A layer that tells nothing shares nothing. Parameters of plain submodules are named with a dot
    (``"radial.weight"``). Without a call, positions, points, atoms and edges count once; with one, as often as there are.
    ``SharedWeight.of(pattern, copies, positions, again)`` is for what a pattern expands; where no pattern is at hand,
    ``SharedWeight(untied, how)`` gives the number: the matrix of one irrep serves 2 l + 1 components, a radial weight all
    components of an irrep on every edge.

``to_torch()``
    The same function from plain torch modules; a copy with plain parts where the layer itself has no plain twin.

``require_numbers(x, mask=mask)``
    Raises unless its inputs are floating-point numbers of the type and on the device of its weights; each ``forward`` begins with it,
    and with what shapes it wants.

Wrong arguments and inputs raise `LayerError`; what would break a symmetry, its subclass `EquivarianceError`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from equishare.errors import LayerError as LayerError
from equishare.groups.representation import Representation, require_representation
from equishare.nn.feature_types import FeatureTypes, fits, said
from equishare.sharing.shared_weights import Call, SharedWeight, SharedWeights


class EquivarianceError(LayerError):
    """A layer cannot keep the symmetry that it was asked to keep."""


class SymmetryWarning(UserWarning):
    """A layer keeps its symmetry only under a condition that its construction cannot check."""


def wide(x: Tensor) -> Tensor:
    """Numbers in single precision at least: squares of half-precision ones leave their range.

    >>> import torch
    >>> wide(torch.ones(1, dtype=torch.float16)).dtype, wide(torch.ones(1, dtype=torch.float64)).dtype
    (torch.float32, torch.float64)
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Layer(SharedWeights):
    """A module that says what it takes and gives, and which weights it shares; see the head of this file.

    Attributes:
        rep_in: how symmetry acts on the input, or on each of several inputs; None where there is no law.
        rep_out: how it acts on the output, or on each of several outputs.
    """

    rep_in: FeatureTypes = None
    rep_out: FeatureTypes = None

    takes_half = False  # whether half-precision inputs meet wider weights, as norms of torch let them

    def after(self, given: FeatureTypes) -> FeatureTypes:
        """What the layer gives after a layer that gives ``given``; one that takes any number of channels says it here.

        Raises:
            EquivarianceError: it cannot stand there.
        """
        if self.rep_in is None:
            raise EquivarianceError("declares no representations: it has no law to keep")
        if not fits(given, self.rep_in):
            raise EquivarianceError(f"takes {self.rep_in}, but the layer before it gives {given}")
        return self.rep_out

    def require_numbers(self, *numbers: Tensor, **beside: Tensor | None) -> None:
        """Raise LayerError unless numbers are of the layer's floating-point type and on its device.

        Args:
            numbers: what the layer computes with; without weights the first one says type and device.
            beside: masks, edges and the like by their names, on the same device.
        """
        who = type(self).__name__
        # one of the layer's own is found in a tenth of the time
        weight = next((own for own in self._parameters.values() if own is not None), None)
        weight = next(self.parameters(), None) if weight is None else weight
        like = numbers[0] if weight is None and numbers else weight
        if like is None:
            return
        layer_too = "" if weight is None else ", or the layer"
        for x in numbers:
            if not x.is_floating_point():
                raise LayerError(
                    f"{who}: floating-point numbers expected, got {x.dtype}: convert them, as by x.float()"
                )
            if x.dtype != like.dtype and not self._computes_with(x, like):
                raise LayerError(
                    f"{who}: numbers of one type, {like.dtype}, expected, got {x.dtype}: convert them, as by x.to({like.dtype})"
                    + layer_too
                )
        for name, table in (*(("x", x) for x in numbers), *beside.items()):
            if table is not None and table.device != like.device:
                raise LayerError(
                    f"{who}: {name} on {like.device} expected, got it on {table.device}: move it, as by "
                    f"{name}.to({str(like.device)!r}){layer_too}"
                )

    def _computes_with(self, x: Tensor, like: Tensor) -> bool:
        """Whether numbers of another type than the first weight's may come in."""
        types = {x.dtype, like.dtype}
        mixed = self.takes_half and x.dtype in (torch.float16, torch.bfloat16)
        cast = torch.is_autocast_enabled(x.device.type) and torch.float64 not in types
        return mixed or cast or any(weight.dtype == x.dtype for weight in self.parameters())

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """What each shared parameter fills, by its name; nothing where nothing is shared."""
        return {}

    def extra_repr(self) -> str:
        """What it takes and gives."""
        taken, given = said(self.rep_in), said(self.rep_out)
        return f"{taken} -> {given}" if taken and given != taken else given

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """As usual; tables that no file holds keep their precision, and their values in ``to_empty`` and on the meta device."""
        tables = {name: self._buffers[name] for name in self._non_persistent_buffers_set}
        super()._apply(fn, recurse)
        for name, table in tables.items():
            new = self._buffers[name]
            if table is not None and new is not None and new is not table:
                self._buffers[name] = table.to(table.device if new.is_meta else new.device)
        return self

    def to_torch(self) -> nn.Module:
        """A plain torch module with the same outputs; where there is none, a copy whose parts are plain."""
        return with_plain_parts(copy.deepcopy(self))


class FieldLayer(Layer):
    """A layer f with f(rho_in(g) x) = rho_out(g) f(x), channels in dimension 1 unless it says otherwise.

    Attributes:
        rep_in: how the group acts on the channels of the input.
        rep_out: how it acts on the channels of the output.
        in_channels: size of ``rep_in``.
        out_channels: size of ``rep_out``.
    """

    rep_in: Representation
    rep_out: Representation

    def __init__(self, rep_in: Representation, rep_out: Representation) -> None:
        super().__init__()
        require_representation(rep_in, rep_out)
        self.rep_in, self.rep_out = rep_in, rep_out
        self.in_channels, self.out_channels = rep_in.size, rep_out.size

    def _check_last(self, x: Tensor) -> None:
        """Raise LayerError unless x is [..., channels] with the channels of ``rep_in``."""
        if x.ndim < 1 or x.shape[-1] != self.in_channels:
            raise LayerError(
                f"{type(self).__name__}: an input [..., {self.in_channels}] expected for {self.rep_in}, got {list(x.shape)}"
            )
        self.require_numbers(x)

    def _check_channels(self, x: Tensor, dimension: int | None = None) -> None:
        """Raise LayerError unless x is [batch, channels, *space] with the channels of ``rep_in``."""
        if x.ndim < 2 or x.shape[1] != self.in_channels or (dimension is not None and x.ndim != dimension + 2):
            space = "*space" if dimension is None else ", ".join(["size"] * dimension)
            raise LayerError(
                f"{type(self).__name__}: an input [batch, {self.in_channels}, {space}] expected "
                f"for {self.rep_in}, got {list(x.shape)}"
            )
        self.require_numbers(x)


def plain(module: nn.Module) -> nn.Module:
    """The module as plain torch, in place where it can be: layers by their own ``to_torch``, others part by part."""
    return module.to_torch() if isinstance(module, Layer) else with_plain_parts(module)


def with_plain_parts(module: nn.Module) -> nn.Module:
    """The module itself, its parametrized weights written out and its submodules plain."""
    if parametrize.is_parametrized(module):
        # not remove_parametrizations: a copy shares its class with the original, which that would change
        values = {name: getattr(module, name).detach().clone() for name in module.parametrizations}  # type: ignore[union-attr]
        plain_class = parametrize.type_before_parametrizations(module)
        del module.parametrizations
        module.__class__ = plain_class
        for name, value in values.items():
            module.register_parameter(name, nn.Parameter(value))
    for name, child in list(module.named_children()):
        setattr(module, name, plain(child))
    return module


def require_orthogonal(rep: Representation) -> None:
    """Raise EquivarianceError unless the group keeps the length of every vector."""
    if not rep.orthogonal:
        raise EquivarianceError(
            f"{rep} does not keep lengths, which this layer is made of: use invariants of {rep.group}"
        )
