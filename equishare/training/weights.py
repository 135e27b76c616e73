"""Weights to start from: those of a potential that was trained before, on other frames, by another method, of other elements."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from equishare.errors import EquishareError
from equishare.potential import ModelConfig, Potential
from equishare.potential.model_file import read_header
from equishare.training.config import ModelChoice


class WeightsError(EquishareError):
    """Weights to start from do not fit what is to be trained."""


def architecture_of(path: str, wanted: ModelChoice, keep: bool = True) -> ModelChoice:
    """The shape of the network in a model file, with the heads, conditions, methods and so on that are wanted besides.

    Those that the file has stay, if they are to be kept, though nobody asks for them.

    Raises:
        WeightsError: if something is wanted that would change what the weights mean, such as another cutoff.
        ModelFileError: if the file is no model file.
    """
    own = read_header(path).config
    free = {"heads", "conditions", "methods", "repulsion", "long_range"}
    for name in sorted(wanted.model_fields_set & set(ModelConfig.model_fields) - free):
        asked, there = getattr(wanted, name), getattr(own, name)
        if asked != there:
            raise WeightsError(
                f"the weights in {path} belong to a model with {name} {_said(there)}, but {_said(asked)} is asked for; leave it out, or "
                "train from noise (--from none)"
            )
    values = own.model_dump()
    for name in ("heads", "conditions", "methods"):
        kept = getattr(own, name) if keep else ()
        values[name] = tuple(dict.fromkeys((*kept, *getattr(wanted, name))))
    for name in ("repulsion", "long_range"):
        values[name] = getattr(wanted, name) or getattr(own, name)
    return ModelChoice(**values)


def _said(value: object) -> str:
    return "none" if value is None else str(value)


def freeze(potential: Potential, parts: Iterable[str]) -> None:
    """Take parts of a potential out of training: ``embedding``, ``layer1`` and so on, ``readouts``.

    Raises:
        WeightsError: if it has no such part, or if nothing else is left.
    """
    known: dict[str, nn.Module] = {"embedding": potential.net.embedding, "readouts": potential.energy}
    known |= {f"layer{k}": layer for k, layer in enumerate(potential.net.layers, start=1)}
    for part in parts:
        if part not in known:
            raise WeightsError(f"expected parts of {', '.join(known)} to freeze, got {part!r}")
        known[part].requires_grad_(False)
    if not any(weight.requires_grad for weight in potential.parameters()):
        raise WeightsError("all weights are frozen, and nothing is left to train; freeze fewer parts")


@torch.no_grad()
def take_over(new: Potential, old: Potential) -> None:
    """Copy what two potentials have in common into the first.

    Weights of an element that the old one does not know start from the mean of those that it knows, its embedding from noise.
    Irreps that the last layer gains for new heads start from noise too.
    """
    known = {symbol: row for row, symbol in enumerate(old.species)}
    rows = [known.get(symbol) for symbol in new.species]
    before = old.state_dict()
    for name, tensor in new.state_dict().items():
        source = before.get(name)
        if source is None or name.startswith("committee"):
            continue
        source = source.to(tensor)
        if _of_species(name):
            noise = tensor if name.endswith("embedding.weight") else None
            source = _by_species(source, rows, noise)
        common = tuple(slice(0, min(a, b)) for a, b in zip(tensor.shape, source.shape, strict=True))
        tensor[common] = source[common]


def _of_species(name: str) -> bool:
    """Whether a weight has one row an element."""
    return name.endswith(("embedding.weight", "species_scale")) or ".products." in name


def _by_species(source: Tensor, rows: list[int | None], noise: Tensor | None) -> Tensor:
    mean = source.mean(dim=0)
    return torch.stack(
        [
            source[row] if row is not None else (mean if noise is None else noise[place])
            for place, row in enumerate(rows)
        ]
    )
