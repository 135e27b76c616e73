"""NequIP under test, through its public model builder, data transforms and calculator; compiled for training if the request says so."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import worker
from ase import Atoms

warnings.filterwarnings("ignore")


class NequIP(worker.Trainable):
    """l_max 2, 32 features, 3 layers, 5 Å."""

    packages = ("nequip",)

    def _model(self, energies: dict[str, float], neighbours: float, scale: float) -> torch.nn.Module:
        from nequip.model import NequIPGNNModel

        return NequIPGNNModel(
            seed=0,
            model_dtype="float32",
            compile_mode="compile" if self.request.get("compile") else "eager",
            type_names=list(energies),
            r_max=worker.CUTOFF,
            num_layers=3,
            l_max=2,
            num_features=32,
            avg_num_neighbors=neighbours,
            per_type_energy_scales=dict.fromkeys(energies, scale),
            per_type_energy_shifts=energies,
        )

    def _transforms(self, energies: dict[str, float]) -> list[Any]:
        from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform

        return [ChemicalSpeciesToAtomTypeMapper(list(energies)), NeighborListTransform(r_max=worker.CUTOFF)]

    def trainer(self, frames: list[Atoms], energies: dict[str, float]) -> tuple[Callable[[int], object], int]:
        """Graphs, model, optimiser and loss."""
        from nequip.data import AtomicDataDict, from_ase
        from nequip.utils.global_state import set_global_state

        set_global_state()
        transforms = self._transforms(energies)
        graphs = []
        for atoms in frames:
            graph = from_ase(atoms)
            for transform in transforms:
                graph = transform(graph)
            graphs.append(graph)
        key = AtomicDataDict.EDGE_INDEX_KEY
        neighbours = float(np.mean([g[key].shape[1] / len(a) for g, a in zip(graphs, frames, strict=True)]))
        forces = np.concatenate([atoms.get_forces() for atoms in frames])
        model = self._model(energies, neighbours, float(np.sqrt(np.mean(forces**2))))
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
        rng = np.random.default_rng(0)

        def step(_: int) -> None:
            chosen = rng.choice(len(graphs), worker.BATCH, replace=False)
            batch = AtomicDataDict.batched_from_list([graphs[k] for k in chosen])
            optimiser.zero_grad(set_to_none=True)
            out = model(dict(batch))
            energy_error = (out["total_energy"] - batch["total_energy"]) / (len(frames[0]))
            loss = (energy_error**2).mean() + ((out["forces"] - batch["forces"]) ** 2).mean()
            loss.backward()
            optimiser.step()

        model.train()
        return step, sum(p.numel() for p in model.parameters() if p.requires_grad)

    def calculator(self, energies: dict[str, float]) -> Any:
        """A model with random weights."""
        from nequip.integrations.ase import NequIPCalculator
        from nequip.utils.global_state import set_global_state

        set_global_state()
        model = self._model(energies, 14.0, 1.0).eval()
        return NequIPCalculator(model, "cpu", transforms=self._transforms(energies))


if __name__ == "__main__":
    worker.main(NequIP)
