"""What a potential takes of structures besides the vectors of their edges."""

from typing import Any, NamedTuple

import torch
from ase import Atoms

from equishare.atoms.labels import spelt
from equishare.atoms.properties import PROPERTIES, LabelError
from equishare.errors import EquishareError
from equishare.potential.config import ModelConfig
from equishare.potential.graph import AtomGraph, from_atoms


class Given(NamedTuple):
    """Tensors of a batch, or arrays of one structure.

    Attributes:
        positions: ``[atoms, 3]`` in Å, counted from `origin`; None where no head reads them.
        origin: Middle of each structure, ``[graphs, 3]`` in Å.
        over_volume: ``[graphs, 1, 1]``, 1 / volume in Å^-3; zero without a cell.
        conditions: Integers ``[graphs]`` of what goes into the network, by name.
    """

    positions: Any
    origin: Any
    over_volume: Any
    conditions: dict[str, Any]

    @classmethod
    def of_graph(cls, graph: AtomGraph, config: ModelConfig, dtype: torch.dtype) -> "Given":
        """What there is of a batch."""
        positions = origin = None
        if config.heads:
            batch, n_graphs = graph.atom_batch, graph.n_graphs
            count = torch.bincount(batch, minlength=n_graphs).to(graph.positions)
            total = graph.positions.new_zeros(n_graphs, 3).index_add(0, batch, graph.positions)
            middle = total / count.unsqueeze(1)
            positions, origin = (graph.positions - middle[batch]).to(dtype), middle.to(dtype)
        volume = torch.linalg.det(graph.cell).abs()
        over = torch.where(volume > 0, 1 / volume.clamp(min=1e-30), 0.0).to(dtype)
        conditions = {name: graph[name] for name in config.conditions if graph.get(name) is not None}
        return cls(positions, origin, over[:, None, None], conditions)


def conditioned_graph(atoms: Atoms, config: ModelConfig) -> AtomGraph:
    """Graph of a structure with the conditions that the model takes, see `conditions_of`.

    Raises:
        GraphError: if the structure has no graph.
        ConditionError: if a condition is not one that the model takes.
    """
    graph = from_atoms(atoms, config.cutoff)
    if config.beyond_edges:
        graph["pbc"] = torch.from_numpy(atoms.pbc[None].copy())
    for name, value in conditions_of(atoms, config).items():
        graph[name] = torch.tensor([value])
    return graph


class ConditionError(EquishareError):
    """A condition of a structure is not a whole number, or names what the model has not learnt."""


def conditions_of(atoms: Atoms, config: ModelConfig) -> dict[str, int]:
    """The conditions of a structure that a model takes, from ``atoms.info``; the table's default where it says nothing.

    Raises:
        ConditionError: if a number is not whole, or a method is not one that the model was trained on.

    >>> atoms = Atoms("H", info={"total_charge": 1})
    >>> conditions_of(atoms, ModelConfig(conditions=("charge", "spin")))
    {'charge': 1, 'spin': 1}
    """
    found = {}
    for name in config.conditions:
        row = PROPERTIES[name]
        said = [atoms.info[key] for key in spelt(row.keys, atoms.info) if atoms.info[key] is not None]
        value: Any = said[0] if said else row.default
        if isinstance(row.default, str):
            found[name] = check_method(value, config) if value != "" else 0
            continue
        try:
            found[name] = row.value(value, len(atoms))
        except LabelError as error:
            raise ConditionError(f"expected a whole number as the {name} of a structure, got {value!r}") from error
    return found


def check_method(name: Any, config: ModelConfig) -> int:
    """Which of its methods a model takes one for.

    Raises:
        ConditionError: if it was not trained on it.

    >>> check_method("pbe", ModelConfig(methods=("xtb", "pbe")))
    1
    """
    if not config.methods:
        raise ConditionError(
            f"the model was not trained on several methods by their names, so it cannot be asked for {name!r}"
        )
    if name not in config.methods:
        raise ConditionError(f"expected a method out of {', '.join(config.methods)}, got {name!r}")
    return config.methods.index(name)


def method_of(atoms: Atoms, config: ModelConfig) -> str:
    """The method on whose level a structure is predicted; empty where the model knows of none.

    >>> method_of(Atoms("H", info={"level_of_theory": "pbe"}), ModelConfig(conditions=("method",), methods=("xtb", "pbe")))
    'pbe'
    """
    if "method" not in config.conditions or not config.methods:
        return ""
    return config.methods[conditions_of(atoms, config)["method"]]


def by_method(atoms: Atoms, name: str) -> Atoms:
    """A copy that is to be predicted on the level of a method.

    >>> by_method(Atoms("H", info={"METHOD": "xtb", "id": 3}), "pbe").info
    {'id': 3, 'method': 'pbe'}
    """
    found = atoms.copy()
    found.calc = atoms.calc
    for key in spelt(PROPERTIES["method"].keys, found.info):
        del found.info[key]
    found.info["method"] = name
    return found
