"""Potentials of TorchMD-Net, Allegro and ORB, weights at random."""

from collections.abc import Iterator

import torch
from ase.build import molecule
from torch import nn

from checker_models.published.potentials import NEQUIP, nequip_row
from checker_models.published.structures import Row, calculator_row, row, structure
from equishare import check


def torchmdnet() -> Iterator[Row]:
    from torchmdnet.models.model import create_model

    atoms = structure()
    given = {
        "z": torch.tensor(atoms.numbers),
        "pos": torch.tensor(atoms.positions, dtype=torch.float32),
        "batch": torch.zeros(len(atoms), dtype=torch.long),
    }
    common = {
        "embedding_dimension": 32, "num_layers": 2, "num_rbf": 16, "rbf_type": "expnorm", "trainable_rbf": False,
        "activation": "silu", "cutoff_lower": 0.0, "cutoff_upper": 5.0, "max_z": 20, "max_num_neighbors": 64,
        "precision": 32, "derivative": True, "atom_filter": -1, "prior_model": None, "output_model": "Scalar",
        "reduce_op": "add", "aggr": "add", "neighbor_embedding": True, "attn_activation": "silu", "num_heads": 4,
        "distance_influence": "both",
    }  # fmt: skip
    claim = check.molecule(outputs=("energy", "forces"))
    for name, model, group in (
        ("TensorNet, O(3)", "tensornet", "O(3)"),
        ("TensorNet, SO(3)", "tensornet", "SO(3)"),
        ("equivariant transformer", "equivariant-transformer", "O(3)"),
        ("graph network", "graph-network", "O(3)"),
    ):
        made = create_model({**common, "model": model, "equivariance_invariance_group": group})
        if group == "O(3)":
            yield row(name, made, given, claim)
        else:
            turns = check.molecule(outputs=("energy", "forces"), improper=False)
            yield row(f"{name}, rotations", made, given, turns)
            why = "this option of it claims no reflections"
            yield row(f"{name}, reflections too", made, given, claim, known="fail", why=why)


def allegro() -> Iterator[Row]:
    from allegro.model import AllegroModel
    from nequip.utils.global_state import set_global_state

    set_global_state()
    model = AllegroModel(
        **NEQUIP,
        num_layers=2,
        num_scalar_features=16,
        num_tensor_features=8,
        radial_chemical_embed={"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 8},
    )
    yield nequip_row("Allegro l = 2, 2 layers", model)


def orb() -> Iterator[Row]:
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.atomic_system import SystemConfig
    from orb_models.forcefield.calculator import ORBCalculator

    small = {"latent_dim": 64, "base_mlp_hidden_dim": 64, "head_mlp_hidden_dim": 64, "num_message_passing_steps": 2}
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    atoms.center(vacuum=8.0)
    atoms.pbc = True
    for name, made in (
        ("direct forces", pretrained.orb_v3_direct_architecture),
        ("conservative forces", pretrained.orb_v3_conservative_architecture),
    ):
        model: nn.Module = made(**small, device=torch.device("cpu")).eval()
        # a fresh normalizer has seen nothing, and divides by its variance
        why = "it is not equivariant by design: features are unit vectors in a plain network"
        if name.startswith("direct"):
            why += ", and its forces are no derivative"
        neighbours = SystemConfig(radius=6.0, max_num_neighbors=120)
        calculator = ORBCalculator(model, system_config=neighbours, device="cpu")
        yield calculator_row(f"orb-v3, {name}, ethanol", calculator, atoms, known="fail", why=why)
