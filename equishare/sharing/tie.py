"""Hard sharing inside any torch module: tied parameters, and parameters that follow a pattern."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils import parametrize

from equishare.sharing.pattern import SharingError, SharingPattern


def owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The submodule that holds a parameter of this dotted name, and the name there."""
    path, _, leaf = name.rpartition(".")
    try:
        holder = module.get_submodule(path)
    except AttributeError:
        raise SharingError(f"{type(module).__name__} has no submodule {path!r}") from None
    if not isinstance(getattr(holder, leaf, None), Tensor):
        raise SharingError(f"{type(module).__name__} has no parameter {name!r}")
    return holder, leaf


class Transposed(nn.Module):
    """A parametrization: the matrix is the transpose of the stored one."""

    def forward(self, original: Tensor) -> Tensor:
        """The transposed matrix."""
        return original.mT

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The stored matrix of a given one."""
        return weight.mT


class Expanded(nn.Module):
    """A parametrization: the weight is a pattern's expansion of the stored base weights."""

    def __init__(self, pattern: SharingPattern) -> None:
        super().__init__()
        self.pattern = pattern

    def forward(self, base: Tensor) -> Tensor:
        """The full weight."""
        return self.pattern.expand(base)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The base weights nearest to a full weight."""
        return self.pattern.project(weight)


def tie(module: nn.Module, target: str, source: str, *, transpose: bool = False) -> None:
    """Make the parameter ``target`` the same parameter as ``source``: one weight with two uses, in place.

    Its gradient is, by the chain rule, the sum over both uses. A tied embedding is
    ``tie(model, "head.weight", "embedding.weight")``; a tied autoencoder is
    ``tie(model, "decoder.weight", "encoder.weight", transpose=True)``.

    Raises:
        SharingError: a name is unknown or no parameter's, or the shapes differ.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 3))
    >>> tie(model, "1.weight", "0.weight", transpose=True)
    >>> torch.equal(model[1].weight, model[0].weight.T), sum(p.numel() for p in model.parameters())
    (True, 11)
    """
    holder, leaf = owner(module, target)
    source_holder, source_leaf = owner(module, source)
    kept = getattr(source_holder, source_leaf)
    replaced = getattr(holder, leaf)
    if not isinstance(replaced, nn.Parameter):
        raise SharingError(f"{target!r} is computed, or a buffer, and not a parameter: it cannot become another one")
    if not isinstance(kept, nn.Parameter):
        raise SharingError(f"{source!r} is computed, not a parameter; tie to the parameter it is computed from")
    if transpose and kept.ndim != 2:
        raise SharingError(f"a matrix is needed to transpose, {source!r} has shape {tuple(kept.shape)}")
    expected = tuple((kept.mT if transpose else kept).shape)
    if tuple(replaced.shape) != expected:
        raise SharingError(f"{target!r} has shape {tuple(replaced.shape)}, to tie it to {source!r} needs {expected}")
    if not transpose:
        setattr(holder, leaf, kept)
        return
    parametrize.register_parametrization(holder, leaf, Transposed())
    holder.parametrizations[leaf].original = kept  # type: ignore[union-attr, index]


def share(module: nn.Module, name: str, pattern: SharingPattern) -> None:
    """Make a parameter of any module follow a pattern, in place: it stores base weights only.

    The base weights start as the projection of the present value. ``torch.nn.utils.parametrize`` does the
    rest.

    Raises:
        SharingError: the name is unknown or no parameter's, or the pattern has another shape.

    >>> import torch
    >>> from equishare import sharing
    >>> layer = nn.Linear(6, 4)
    >>> share(layer, "weight", sharing.hashed((4, 6), 5))
    >>> layer.parametrizations.weight.original.shape, layer(torch.ones(6)).shape
    (torch.Size([5]), torch.Size([4]))
    """
    holder, leaf = owner(module, name)
    weight = getattr(holder, leaf)
    if not isinstance(weight, nn.Parameter):
        raise SharingError(f"{name!r} is computed, or a buffer, and not a parameter: it follows something already")
    shape = tuple(weight.shape)
    if shape != pattern.shape:
        raise SharingError(f"{name!r} has shape {shape}, the pattern {pattern.shape}")
    parametrize.register_parametrization(holder, leaf, Expanded(pattern.to(weight.device)))
