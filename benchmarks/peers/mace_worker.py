"""MACE under test, through its public classes, with the defaults of its own training command where none is set."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import worker
from ase import Atoms

warnings.filterwarnings("ignore")


class Mace(worker.Trainable):
    """64x0e + 64x1o to train; 128x0e + 128x1o, its usual size, to run; l_max 3, correlation 3, 5 Å."""

    packages = ("mace-torch",)

    def _model(self, channels: int, energies: dict[str, float], neighbours: float, scale: float) -> torch.nn.Module:
        from ase.data import atomic_numbers
        from e3nn import o3
        from mace import modules

        numbers = sorted(atomic_numbers[symbol] for symbol in energies)
        by_number = {atomic_numbers[symbol]: energy for symbol, energy in energies.items()}
        return modules.ScaleShiftMACE(
            r_max=worker.CUTOFF,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=3,
            interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=len(numbers),
            hidden_irreps=o3.Irreps(f"{channels}x0e + {channels}x1o"),
            MLP_irreps=o3.Irreps("16x0e"),
            atomic_energies=np.array([by_number[z] for z in numbers]),
            avg_num_neighbors=neighbours,
            atomic_numbers=numbers,
            correlation=3,
            gate=torch.nn.functional.silu,
            atomic_inter_scale=scale,
            atomic_inter_shift=0.0,
        )

    def trainer(self, frames: list[Atoms], energies: dict[str, float]) -> tuple[Callable[[int], object], int]:
        """Graphs, model, optimiser and loss."""
        from mace import data, modules
        from mace.tools import AtomicNumberTable, torch_geometric

        torch.set_default_dtype(torch.float32)
        keys = data.KeySpecification(info_keys={"energy": "label_energy"}, arrays_keys={"forces": "label_forces"})
        graphs = []
        table = AtomicNumberTable(sorted({int(z) for atoms in frames for z in atoms.numbers}))
        for atoms in frames:
            atoms.info["label_energy"], atoms.arrays["label_forces"] = atoms.get_potential_energy(), atoms.get_forces()
            configuration = data.config_from_atoms(atoms, key_specification=keys)
            graphs.append(data.AtomicData.from_config(configuration, z_table=table, cutoff=worker.CUTOFF))
        loader = torch_geometric.dataloader.DataLoader(graphs, batch_size=worker.BATCH, shuffle=True, drop_last=True)
        edges = np.mean([graph.edge_index.shape[1] / len(graph.positions) for graph in graphs])
        scale = float(np.sqrt(np.mean(np.concatenate([atoms.arrays["label_forces"] for atoms in frames]) ** 2)))
        model = self._model(64, energies, float(edges), scale)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
        loss_function = modules.WeightedEnergyForcesLoss(energy_weight=1.0, forces_weight=100.0)
        batches = _endless(loader)

        def step(_: int) -> None:
            batch = next(batches)
            optimiser.zero_grad(set_to_none=True)
            out = model(batch.to_dict(), training=True)
            loss_function(pred=out, ref=batch).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimiser.step()

        return step, sum(p.numel() for p in model.parameters() if p.requires_grad)

    def calculator(self, energies: dict[str, float]) -> Any:
        """A model with random weights."""
        from mace.calculators import MACECalculator

        torch.set_default_dtype(torch.float32)
        model = self._model(128, energies, 14.0, 1.0)
        return MACECalculator(models=[model], device="cpu", default_dtype="float32")


def _endless(loader: Any) -> Any:
    while True:
        yield from loader


if __name__ == "__main__":
    worker.main(Mace)
