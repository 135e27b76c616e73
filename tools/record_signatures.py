"""Record the loops that a training step compiles, and their types: ``python tools/record_signatures.py`` writes ``equishare/ops/signatures.json``.

Run it when a loop's arguments change; a test compares the file with what a step asks for.
"""

import json
import os
import sys
import tempfile

os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp()  # what is in the cache is not compiled, and so not seen

import torch
from ase.build import molecule
from numba.core import event, types

from equishare.ops.ahead import SIGNATURES


def spelled(kind: types.Type) -> str:
    """A numba type as its own parser reads it; the type of the weights is called real."""
    if isinstance(kind, types.Array):
        axes = ",".join([":"] * (kind.ndim - 1) + [":" if kind.layout == "A" else "::1"])
        return f"{spelled(kind.dtype)}[{axes}]"
    if isinstance(kind, types.BaseTuple):
        return f"Tuple(({', '.join(map(spelled, kind))},))"
    return {"float32": "real"}.get(str(kind), str(kind))


class Recorder(event.Listener):
    """Keeps (operation, loop, types) of what is compiled for a call."""

    def __init__(self) -> None:
        self.found: list[list[str]] = []

    def on_start(self, event: event.Event) -> None:
        """Called before a compilation."""
        dispatcher, given = event.data["dispatcher"], event.data["args"]
        *_, operation, file = dispatcher.py_func.__module__.split(".")
        if file == "numba" and not dispatcher.targetoptions.get("inline"):
            self.found.append([operation, dispatcher.py_func.__name__, f"void({', '.join(map(spelled, given))})"])

    def on_end(self, event: event.Event) -> None:
        """Called after it."""

    def take(self) -> list[list[str]]:
        """What was found since this was last asked."""
        found, self.found = self.found, []
        return found


def record() -> dict[str, list[list[str]]]:
    """The loops of forces, and those of a loss on them."""
    from equishare.potential import ModelConfig, Potential
    from equishare.potential.graph import collate, from_atoms

    recorder = Recorder()
    event.register("numba:compile", recorder)
    potential = Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0})
    graph = from_atoms(molecule("H2O"), potential.cutoff)
    forces = potential.train()(collate([graph])).forces
    parts = {"values": recorder.take()}
    forces.square().sum().backward(inputs=list(potential.parameters()))
    return parts | {"seconds": recorder.take()}


if __name__ == "__main__":
    torch.manual_seed(0)
    text = json.dumps(record(), indent=1) + "\n"
    if "--print" in sys.argv:
        sys.stdout.write(text)
    else:
        SIGNATURES.write_text(text)
