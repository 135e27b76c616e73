"""Making an input for a model of which only the signature is known."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equishare.check.errors import TargetError
from equishare.check.models.arguments import signature_of
from equishare.check.models.claims.inference import FEATURES
from equishare.check.models.claims.roles import role_of
from equishare.check.models.precision import Model

ATOMS = 11
"""No number of features that is usual: an axis of this length runs over the atoms."""
PIXELS = 16
FEATURES_OF_A_NODE = 8
_GRAPH = {"data", "graph", "batch_data", "g"}


def example_inputs(model: Model, kind: str, shape: Sequence[int] | None = None, seed: int = 0) -> Any:
    """Make inputs from argument names (molecule, point-cloud) or from a shape (image, set).

    Arguments that can be given by name alone make a mapping of all of them. Molecules have 11 atoms of H, C, N and O in a
    cloud with distances of at least 1 Å, and edges between all pairs.

    Args:
        model: what will be called.
        kind: "molecule", "point-cloud", "graph", "image" or "set".
        shape: of the input, for images and sets; by default [1, channels, 16, 16], the channels of the
            first convolution.
        seed: of the numbers.

    Raises:
        TargetError: an argument's meaning cannot be told from its name.

    Example:
        >>> inputs = example_inputs(lambda z, pos: pos, "molecule")
        >>> [tuple(x.shape) for x in inputs]
        [(11,), (11, 3)]
    """
    generator = torch.Generator().manual_seed(seed)
    if kind in ("image", "set"):
        signature = signature_of(model)
        needed = [*signature.required, *signature.keyword_only]
        if len(needed) > 1:
            raise TargetError(
                f"the model takes {', '.join(needed)}, and --as {kind} makes one input; name a function that makes all of "
                "them: --inputs file.py:name"
            )
        return (torch.randn(*(shape or _default_shape(model, kind)), generator=generator),)
    fields = _graph(model, generator) if kind == "graph" else _cloud(generator)
    signature = signature_of(model)
    if signature.starred and not signature.positional:
        raise TargetError(
            "the model does not say what its arguments are (*args); name a function that makes inputs: "
            "--inputs file.py:name"
        )
    made: dict[str, Any] = {}
    for name in (*signature.positional, *signature.keyword_only):
        value = fields["features"] if kind == "graph" and name.lower() in FEATURES else _field(name.lower(), fields)
        if value is None and not made and kind != "graph" and (kind == "point-cloud" or name.lower() == "x"):
            value = fields["positions"]
        if value is not None:
            made[name] = value
        elif not made or name in (*signature.required, *signature.keyword_only):
            raise TargetError(
                f"what to give for the argument {name!r} is not known; name a function that "
                "makes inputs: --inputs file.py:name"
            )
        else:
            break
    if signature.keyword_only:
        return made
    return tuple(made.values()) or (fields["features" if kind == "graph" else "positions"],)


def _cloud(generator: torch.Generator) -> dict[str, Tensor]:
    """Random atoms, none closer than 1 Å."""
    positions = torch.zeros(0, 3)
    while len(positions) < ATOMS:
        point = 1.6 * torch.randn(1, 3, generator=generator)
        if len(positions) == 0 or bool((torch.cdist(positions, point) > 1.0).all()):
            positions = torch.cat([positions, point])
    species = torch.tensor([1, 6, 7, 8])[torch.randint(4, (ATOMS,), generator=generator)]
    edges = torch.nonzero(~torch.eye(ATOMS, dtype=torch.bool)).T.contiguous()
    return {
        "positions": positions,
        "species": species,
        "edges": edges,
        "batch": torch.zeros(ATOMS, dtype=torch.long),
    }


def _graph(model: Model, generator: torch.Generator) -> dict[str, Tensor]:
    """A random graph, each node with two neighbours or more, and features as wide as the first linear layer."""
    order = torch.randperm(ATOMS, generator=generator)
    adjacency = torch.zeros(ATOMS, ATOMS)
    adjacency[order, order.roll(1)] = 1.0
    adjacency = ((adjacency + (torch.rand(ATOMS, ATOMS, generator=generator) < 0.2)).triu(1) > 0).float()
    adjacency = adjacency + adjacency.T
    return {
        "features": torch.randn(ATOMS, _features(model) or FEATURES_OF_A_NODE, generator=generator),
        "species": torch.randint(1, 5, (ATOMS,), generator=generator),
        "edges": torch.nonzero(adjacency).T.contiguous(),
        "pairs": adjacency,
        "batch": torch.zeros(ATOMS, dtype=torch.long),
    }


def _features(model: Model) -> int | None:
    """Inputs of the first layer that says how many it takes."""
    layers = model.modules() if isinstance(model, nn.Module) else ()
    sizes = (getattr(layer, name, None) for layer in layers for name in ("in_features", "in_channels"))
    return next((size for size in sizes if isinstance(size, int)), None)


def _field(name: str, fields: dict[str, Tensor]) -> Any:
    if name in _GRAPH:
        from torch_geometric.data import Data

        if "features" in fields:
            return Data(x=fields["features"], edge_index=fields["edges"], batch=fields["batch"])
        return Data(z=fields["species"], pos=fields["positions"], edge_index=fields["edges"], batch=fields["batch"])
    return fields.get(role_of(name))


def _default_shape(model: Model, kind: str) -> Sequence[int]:
    layers = list(model.modules()) if isinstance(model, nn.Module) else []
    if kind == "image":
        channels = next((layer.in_channels for layer in layers if isinstance(layer, nn.Conv2d)), 1)
        return (1, channels, PIXELS, PIXELS)
    features = next((layer.in_features for layer in layers if isinstance(layer, nn.Linear)), None)
    if features is None:
        raise TargetError("the size of the set's members is not known; give it with --shape, for instance --shape 10,4")
    return (10, features)
