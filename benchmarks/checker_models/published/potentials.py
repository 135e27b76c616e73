"""Potentials of MACE, NequIP and SchNetPack, weights at random."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from checker_models.published.structures import Row, edges_within, row, structure
from equishare import check

# what NequIP and Allegro are told alike
NEQUIP = {
    "seed": 0, "model_dtype": "float32", "r_max": 5.0, "type_names": ["H", "C", "O"], "l_max": 2, "parity": True,
    "avg_num_neighbors": 8.0,
}  # fmt: skip


def mace() -> Iterator[Row]:
    from mace import data, modules, tools

    from equishare._e3nn import o3

    def model(dtype: torch.dtype) -> nn.Module:
        interaction = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
        return modules.ScaleShiftMACE(
            r_max=5.0,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=3,
            interaction_cls=interaction,
            interaction_cls_first=interaction,
            num_interactions=2,
            num_elements=3,
            hidden_irreps=o3.Irreps("64x0e+64x1o"),
            MLP_irreps=o3.Irreps("16x0e"),
            gate=torch.nn.functional.silu,
            atomic_energies=np.array([-13.6, -1030.0, -2042.0]),
            avg_num_neighbors=8.0,
            atomic_numbers=[1, 6, 8],
            correlation=3,
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
        ).to(dtype)

    table = tools.AtomicNumberTable([1, 6, 8])
    item = data.AtomicData.from_config(data.config_from_atoms(structure()), z_table=table, cutoff=5.0)
    loader = tools.torch_geometric.dataloader.DataLoader([item], batch_size=1)
    whole = next(iter(loader)).to_dict()
    names = ("node_attrs", "positions", "edge_index", "shifts", "unit_shifts", "cell", "batch", "ptr", "head")
    inputs = {name: whole[name] for name in names}
    claim = check.molecule(outputs={"energy": "energy", "forces": "forces", "node_energy": "atoms"})
    yield row("ScaleShiftMACE 64x0e+64x1o, 20 atoms", model(torch.float32), inputs, claim)

    class Slip(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            y = self.layer(x).clone()
            y[:, 64:] += 1e-3
            return y

    broken = model(torch.float32)
    broken.interactions[1].linear_up = Slip(broken.interactions[1].linear_up)
    yield row(
        "the same, broken: bias of 1e-3 after interactions.1.linear_up",
        broken,
        inputs,
        claim,
        known="fail",
        why="planted",
    )


def nequip() -> Iterator[Row]:
    from nequip.model import NequIPGNNModel
    from nequip.utils.global_state import set_global_state

    set_global_state()
    model = NequIPGNNModel(**NEQUIP, num_layers=3, num_features=16)
    yield nequip_row("NequIP l = 2, 3 layers", model)


def nequip_row(name: str, model: nn.Module) -> Row:
    """A model that takes and gives what NequIP's do."""
    atoms = structure()
    pos = torch.tensor(atoms.positions, dtype=torch.float32)
    inputs = {
        "pos": pos,
        "edge_index": edges_within(pos, 5.0),
        "atom_types": torch.tensor([{1: 0, 6: 1, 8: 2}[n] for n in atoms.numbers]),
        "batch": torch.zeros(len(atoms), dtype=torch.long),
        "num_atoms": torch.tensor([len(atoms)]),
    }
    claim = check.molecule({"num_atoms": "invariant"}, {"total_energy": "energy", "forces": "forces"})
    return row(name, model, inputs, claim)


def schnetpack() -> Iterator[Row]:
    from torch.utils.data import dataloader

    if not hasattr(dataloader, "T_co"):
        # schnetpack 2.0.4 imports a name that newer torch no longer has
        dataloader.T_co = Any
    import schnetpack as spk
    from schnetpack import properties, representation

    atoms = structure()
    pos = torch.tensor(atoms.positions, dtype=torch.float32)
    edges = edges_within(pos, 5.0)
    inputs = {
        properties.Z: torch.tensor(atoms.numbers),
        properties.R: pos,
        properties.idx_i: edges[0],
        properties.idx_j: edges[1],
        properties.offsets: torch.zeros(edges.shape[1], 3),
        properties.idx_m: torch.zeros(len(atoms), dtype=torch.long),
        properties.n_atoms: torch.tensor([len(atoms)]),
        properties.cell: torch.zeros(1, 3, 3),
        properties.pbc: torch.zeros(3, dtype=torch.bool),
    }
    for name in ("SchNet", "PaiNN", "SO3net", "FieldSchNet"):
        if not hasattr(representation, name):
            continue
        basis = spk.nn.GaussianRBF(n_rbf=20, cutoff=5.0)
        extra = {"lmax": 2} if name == "SO3net" else {}
        net = getattr(representation, name)(
            n_atom_basis=32, n_interactions=2, radial_basis=basis, cutoff_fn=spk.nn.CosineCutoff(5.0), **extra
        )
        model = spk.model.NeuralNetworkPotential(
            representation=net,
            input_modules=[spk.atomistic.PairwiseDistances()],
            output_modules=[spk.atomistic.Atomwise(n_in=32, output_key="energy"), spk.atomistic.Forces()],
        )
        claim = check.molecule(
            {
                "_n_atoms": "invariant",
                "_pbc": "invariant",
                "_idx_m": "atoms",
                "_cell": "cell",
                "_offsets": "edge_vectors",
            }
            | {"_atomic_numbers": "species", "_positions": "positions"}
            | {key: check.Index(axis=0) for key in ("_idx_i", "_idx_j")},
            {"energy": "energy", "forces": "forces"},
        )
        yield row(name, model, inputs, claim)
