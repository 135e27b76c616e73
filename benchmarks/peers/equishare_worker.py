"""equishare under test, as its own training does a step: the default preset."""

from collections.abc import Callable
from typing import Any

from equishare.commands.imports import large_imports
from equishare.ops import ahead

if __name__ == "__main__":
    # as `equishare train` starts
    ahead.start("float32")
    with large_imports():
        import equishare.training.fit
        import equishare.training.report.page  # noqa: F401

import torch
import worker
from ase import Atoms


class Equishare(worker.Trainable):
    """The default preset; random weights where nothing is trained."""

    packages = ("equishare", "numba")

    def trainer(self, frames: list[Atoms], energies: dict[str, float]) -> tuple[Callable[[int], object], int]:
        """Graphs, model, optimiser and loss."""
        from equishare.atoms.frame import Frame
        from equishare.potential import ModelConfig, Potential
        from equishare.training.budget import Budget
        from equishare.training.config import OptimisationConfig
        from equishare.training.data.batches import BatchLoader
        from equishare.training.data.labelled_graphs import labelled_graphs
        from equishare.training.data.statistics import statistics
        from equishare.training.objective import Objective
        from equishare.training.state import TrainingState

        labelled = [Frame(atoms, energy=atoms.get_potential_energy(), forces=atoms.get_forces()) for atoms in frames]
        config = ModelConfig.preset("default").model_copy(update={"cutoff": worker.CUTOFF})
        graphs = labelled_graphs(labelled, config)
        potential = Potential(config, statistics(labelled, graphs, energies))
        options = OptimisationConfig()
        state = TrainingState(potential, options, Budget(1, None, 1))
        objective = Objective(potential, options, [str(k) for k in range(len(frames))], {"forces": True})
        batches = _endless(BatchLoader(graphs, worker.BATCH, seed=0))

        def step(_: int) -> None:
            state.take_step(objective, next(batches))

        return step, sum(p.numel() for p in potential.parameters())

    def calculator(self, energies: dict[str, float]) -> Any:
        """A model with random weights."""
        from equishare.potential import ModelConfig, Potential

        return Potential(ModelConfig.preset("default"), energies).calculator(dtype=torch.float32)


def _endless(loader: Any) -> Any:
    while True:
        yield from loader


if __name__ == "__main__":
    worker.main(Equishare)
