"""A potential as one graph of torch's operations, for programs without Python: `torch.export`, compiled by AOTInductor for C++."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from equishare.atoms.properties import PROPERTIES
from equishare.errors import EquishareError
from equishare.files import replacing
from equishare.nn import Edges, backend
from equishare.potential.given import Given
from equishare.potential.graph import AtomGraph
from equishare.potential.potential import Potential
from equishare.potential.torch_operations import TorchOperations

INPUTS = ("numbers", "positions", "cell", "edge_index", "edge_shift")


class ExportError(EquishareError):
    """A potential cannot be exported; the message says why."""


class ExportedPotential(nn.Module):
    """A potential of one structure as a function of tensors alone; what `exported_program` exports.

    Takes, in this order, ``numbers`` ``[atoms]`` int64, ``positions`` ``[atoms, 3]`` float64 in Å, ``cell`` ``[3, 3]`` float64 in Å (rows are vectors; zero
    without a cell), ``edge_index`` ``[2, edges]`` int64 (row 0 sends, row 1 receives: every pair both ways), ``edge_shift`` ``[edges, 3]`` float64 (whole cells:
    r = positions[sender] + shift @ cell - positions[receiver]), and an int64 ``[1]`` of each of the model's conditions. Pairs beyond the cutoff
    change nothing, so that a list with a skin will do.

    Gives, in the order of `outputs`, ``energy`` ``[1]`` and ``energies`` ``[atoms]`` in eV, float64, ``forces`` ``[atoms, 3]`` in eV/Å and ``stress`` ``[3, 3]`` in eV/Å^3, and what
    else the model reads out. An element that it does not know makes the energy NaN.

    Args:
        potential: Any but one with interactions beyond the cutoff or a base; it is used as it is.

    Raises:
        ExportError: for interactions beyond the cutoff.
    """

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        if potential.config.beyond_edges:
            raise ExportError(
                "a potential with interactions beyond the cutoff, or that adds to a cheap method, cannot be exported; run it by its "
                "calculator"
            )
        self.potential = potential

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the arguments."""
        return (*INPUTS, *self.potential.config.conditions)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what comes back."""
        uncertainty = ("energy_uncertainty",) if self.potential.committee is not None else ()
        return ("energy", "energies", "forces", "stress", *uncertainty, *sorted(self.potential.reads))

    def forward(
        self,
        numbers: Tensor,
        positions: Tensor,
        cell: Tensor,
        edge_index: Tensor,
        edge_shift: Tensor,
        *conditions: Tensor,
    ) -> tuple[Tensor, ...]:
        """What the potential says of one structure."""
        potential, n_atoms = self.potential, numbers.shape[0]
        graph = AtomGraph(
            numbers=numbers,
            positions=positions,
            cell=cell.unsqueeze(0),
            edge_index=edge_index,
            edge_shift=edge_shift,
        )
        for name, value in zip(potential.config.conditions, conditions, strict=True):
            graph[name] = value
        known = potential.species_of_number
        species = known[numbers.clamp(0, known.shape[0] - 1)]
        with torch.enable_grad():
            vectors = graph.edge_vectors().detach().to(potential.dtype).requires_grad_()
            ops = TorchOperations(
                vectors=vectors,
                species=species.clamp(min=0),
                edges=Edges(edge_index, n_atoms),
                batch=torch.zeros_like(numbers),
                n_graphs=1,
            )
            given = Given.of_graph(graph, potential.config, potential.dtype)
            found = potential.evaluate(ops, given, forces=True, stress=True, forces_uncertainty=False)
        lost = torch.where(species < 0, torch.nan, 0.0).double()
        values = {
            "energy": found.energy + lost.sum(),
            "energies": found.node_energy + lost,
            "forces": found.forces,
            "stress": found.stress[0],
            "energy_uncertainty": found.energy_uncertainty,
            **found.outputs,
        }
        return tuple(values[name].detach() for name in self.outputs)


def exported_program(potential: Potential) -> torch.export.ExportedProgram:
    """The graph of a potential for any number of atoms from 2 and of edges from 2, by its plain torch path; see `ExportedPotential`.

    The numbers are those of the potential to rounding. The potential itself is not touched.

    Raises:
        ExportError: for interactions beyond the cutoff.

    >>> from equishare.potential import ModelConfig
    >>> potential = Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0})
    >>> program = exported_program(potential)  # doctest: +SKIP
    >>> [argument.name for argument in program.graph_signature.input_specs][-5:]  # doctest: +SKIP
    ['numbers', 'positions', 'cell', 'edge_index', 'edge_shift']
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    module = ExportedPotential(copy.deepcopy(potential).cpu().eval().requires_grad_(False))
    atoms, edges = torch.export.Dim("atoms", min=2), torch.export.Dim("edges", min=2)
    shapes: tuple[Any, ...] = ({0: atoms}, {0: atoms}, None, {1: edges}, {0: edges})
    conditions = potential.config.conditions
    example = (*_example(potential), *(torch.ones(1, dtype=torch.int64) for _ in conditions))
    with backend("torch"):
        module(*example)  # tables that are made once are made of numbers, not of what tracing follows
        # first the derivative becomes operations like any other, for export does not follow it
        traced = make_fx(module, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*example)
    dynamic = shapes + (None,) * len(conditions)
    return torch.export.export(traced, example, dynamic_shapes=dynamic, strict=False)


def _example(potential: Potential) -> tuple[Tensor, ...]:
    """Seven atoms in a row with thirteen edges: numbers that no other size is equal to, or they would be taken for the same."""
    steps = torch.arange(7, dtype=torch.float64)
    positions = torch.stack([0.1 * steps, 0.05 * steps**2, steps], dim=1)
    forward, backward = torch.stack([torch.arange(6), torch.arange(1, 7)]), torch.tensor([[2], [0]])
    edge_index = torch.cat([forward, forward.flip(0), backward], dim=1)
    return (
        torch.full((7,), potential.statistics.numbers[0]),
        positions,
        20 * torch.eye(3, dtype=torch.float64),
        edge_index,
        torch.zeros(13, 3, dtype=torch.float64),
    )


def write_package(potential: Potential, path: str | os.PathLike[str]) -> None:
    """Compile a potential into a package that C++ loads with ``torch::inductor::AOTIModelPackageLoader``, or Python with `torch._inductor.aoti_load_package`.

    Its metadata (``loader.get_metadata()``) has ``cutoff`` in Å, ``elements``, and the names of ``inputs`` and ``outputs``, apart by blanks, and
    ``units`` as JSON. It runs on machines with this version of torch and the kind of processor it was compiled on.

    Args:
        potential: In the precision that is wanted.
        path: Of the package; ends with ``.pt2``.

    Raises:
        ExportError: for interactions beyond the cutoff, another ending, or where there is no C++ compiler.
        OSError: if the file cannot be written.
    """
    if Path(path).suffix != ".pt2":
        raise ExportError(f"expected a name that ends with .pt2, got {path}")
    program = exported_program(potential)
    module = ExportedPotential(potential)
    units = {name: PROPERTIES[name].unit for name in module.outputs if name in PROPERTIES}
    about = {
        "cutoff": str(potential.cutoff),
        "elements": " ".join(potential.species),
        "inputs": " ".join(module.inputs),
        "outputs": " ".join(module.outputs),
        "units": json.dumps(units),
    }
    from torch._inductor.exc import InductorError

    with replacing(path) as beside:
        package = beside.with_suffix(".pt2")  # the compiler wants the ending
        try:
            torch._inductor.aoti_compile_and_package(
                program, package_path=str(package), inductor_configs={"aot_inductor.metadata": about}
            )
            os.replace(package, beside)
        except InductorError as error:
            if "InvalidCxxCompiler" not in str(error):
                raise
            raise ExportError(
                "no C++ compiler was found, which a package for C++ needs; install g++, or name one in the variable CXX"
            ) from error
        finally:
            package.unlink(missing_ok=True)
