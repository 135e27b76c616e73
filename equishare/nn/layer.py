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

Wrong arguments and inputs raise `LayerError`; what would break a symmetry, its subclass `EquivarianceError`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from equishare.errors import LayerError as LayerError
from equishare.groups.orthogonal import o3
from equishare.groups.representation import Representation, require_representation
from equishare.ops.layout import Layout
from equishare.sharing.shared_weights import Call, SharedWeight, SharedWeights


def require_whole(least: int = 1, **numbers: object) -> None:
    """Raise LayerError unless each number is a whole one from ``least`` up.

    >>> require_whole(channels=64 / 2)
    Traceback (most recent call last):
    equishare.errors.LayerError: channels: a whole number from 1 up expected, got 32.0
    """
    for name, n in numbers.items():
        if not isinstance(n, Integral) or n < least:
            raise LayerError(f"{name}: a whole number from {least} up expected, got {n!r}")


def require_floats(x: Tensor, who: str) -> None:
    """Raise LayerError for numbers that no layer computes with, such as the bytes of an image."""
    if not x.is_floating_point():
        raise LayerError(f"{who}: floating-point numbers expected, got {x.dtype}: convert them, as by x.float()")


class EquivarianceError(LayerError):
    """A layer cannot keep the symmetry that it was asked to keep."""


class SymmetryWarning(UserWarning):
    """A layer keeps its symmetry only under a condition that its construction cannot check."""


@runtime_checkable
class FeatureType(Protocol):
    """What symmetry does to features, as far as the next layer must know."""

    @property
    def kind(self) -> Literal["permutation", "signed", "matrix"]:
        """Whether symmetry moves whole numbers, moves them and turns signs, or mixes them."""

    @property
    def invariants(self) -> int | None:
        """The number of channels, if symmetry leaves every number alone; else None."""


FeatureTypes = FeatureType | tuple[FeatureType | None, ...] | None


@dataclass(frozen=True)
class Invariants:
    """Numbers that no symmetry moves, ``[..., channels]``: any function may follow.

    >>> Invariants(8).kind, fits(Invariants(8), Invariants(8))
    ('permutation', True)
    """

    channels: int

    def __post_init__(self) -> None:
        require_whole(channels=self.channels)

    @property
    def kind(self) -> Literal["permutation", "signed", "matrix"]:
        """Nothing is mixed."""
        return "permutation"

    @property
    def invariants(self) -> int:
        """The number of channels."""
        return self.channels

    def __repr__(self) -> str:
        return f"{self.channels} invariants"


def wide(x: Tensor) -> Tensor:
    """Numbers in single precision at least: squares of half-precision ones leave their range.

    >>> import torch
    >>> wide(torch.ones(1, dtype=torch.float16)).dtype, wide(torch.ones(1, dtype=torch.float64)).dtype
    (torch.float32, torch.float64)
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def near(table: Tensor, x: Tensor) -> Tensor:
    """A table for a tensor that may have a shape only: tables never go to the meta device, which would forget them."""
    return table.to(x.device) if x.is_meta else table


def fits(given: FeatureTypes, taken: FeatureTypes) -> bool:
    """Whether a layer that takes ``taken`` may follow one that gives ``given``.

    They are equal, one of them names irreps of O(3) by a ``Layout`` and the other by a representation (in e3nn's flat layout they are the
    same), or both are as many numbers that no symmetry moves, one of them by ``Invariants``.

    >>> from equishare import groups
    >>> fits(8 * groups.cyclic(4).trivial(), Invariants(8)), fits(2 * groups.cyclic(4).regular(), Invariants(8))
    (True, False)
    >>> fits(Layout.of("8x0e + 4x1o"), groups.o3().irreps("8x0e + 4x1o"))
    True
    """
    if given is None or taken is None:
        return False
    if isinstance(given, Layout) and isinstance(taken, Representation):
        return o3().irreps(given.irreps) == taken
    if isinstance(given, Representation) and isinstance(taken, Layout):
        return fits(taken, given)
    if given == taken:
        return True
    if isinstance(given, tuple) or isinstance(taken, tuple):
        return False
    plain = isinstance(given, Invariants) or isinstance(taken, Invariants)
    return plain and given.invariants is not None and given.invariants == taken.invariants


def _said(features: FeatureTypes) -> str:
    """In a line; nothing for what has no law."""
    if isinstance(features, tuple):
        return ", ".join(said for said in map(_said, features) if said)
    return "" if features is None else str(features)


class Layer(SharedWeights):
    """A module that says what it takes and gives, and which weights it shares; see the head of this file.

    Attributes:
        rep_in: how symmetry acts on the input, or on each of several inputs; None where there is no law.
        rep_out: how it acts on the output, or on each of several outputs.
    """

    rep_in: FeatureTypes = None
    rep_out: FeatureTypes = None

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

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """What each shared parameter fills, by its name; nothing where nothing is shared."""
        return {}

    def extra_repr(self) -> str:
        """What it takes and gives."""
        taken, given = _said(self.rep_in), _said(self.rep_out)
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
        require_floats(x, type(self).__name__)

    def _check_channels(self, x: Tensor, dimension: int | None = None) -> None:
        """Raise LayerError unless x is [batch, channels, *space] with the channels of ``rep_in``."""
        if x.ndim < 2 or x.shape[1] != self.in_channels or (dimension is not None and x.ndim != dimension + 2):
            space = "*space" if dimension is None else ", ".join(["size"] * dimension)
            raise LayerError(
                f"{type(self).__name__}: an input [batch, {self.in_channels}, {space}] expected "
                f"for {self.rep_in}, got {list(x.shape)}"
            )
        require_floats(x, type(self).__name__)


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
