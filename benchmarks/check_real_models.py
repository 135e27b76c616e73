"""Check models and calculators of other projects, and print one row of docs/checker.md for each.

    python benchmarks/check_real_models.py e3nn pyg          # in equishare's own environment
    python benchmarks/check_real_models.py mace              # in an environment with mace-torch and equishare

Weights are random unless the package ships trained ones. Rows called broken carry a planted mistake.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule
from torch import Tensor, nn

from equishare import check

Row = tuple[str, Any]


def structure() -> Atoms:
    """Twenty atoms of H, C and O: ethyl methyl ether on benzene's face, distorted."""
    atoms = molecule("CH3CH2OCH3") + molecule("C6H6")
    atoms.positions[12:] += [0, 0, 3.4]
    atoms = atoms[:20]
    atoms.rattle(0.05, seed=0)
    return atoms


def edges_within(positions: Tensor, cutoff: float) -> Tensor:
    """All ordered pairs within the cutoff, [2, edges]."""
    near = (torch.cdist(positions, positions) < cutoff) & ~torch.eye(len(positions), dtype=torch.bool)
    return torch.nonzero(near).T.contiguous()


def e3nn() -> Iterator[Row]:
    from equishare._e3nn import o3

    irreps = "8x0e+8x1o+4x2e"
    x = torch.randn(20, o3.Irreps(irreps).dim)
    two = check.geometric((f"atoms: {irreps}",) * 2, f"atoms: {irreps}")
    yield (
        "Linear",
        check.equivariance(o3.Linear(irreps, irreps), x, check.geometric(f"atoms: {irreps}", f"atoms: {irreps}")),
    )
    product = o3.FullyConnectedTensorProduct(irreps, irreps, irreps)
    yield "FullyConnectedTensorProduct", check.equivariance(product, (x, x), two)
    yield (
        "the same, float64 from float32 constants",
        check.equivariance(product, (x, x), two, dtype=torch.float64),
    )
    from e3nn.nn import Gate

    gate = Gate("8x0e", [torch.tanh], "12x0e", [torch.sigmoid], "8x1o+4x2e")
    wide = torch.randn(20, gate.irreps_in.dim)
    claim = check.geometric(f"atoms: {gate.irreps_in}", f"atoms: {gate.irreps_out}")
    yield "Gate", check.equivariance(gate, wide, claim)


def pyg() -> Iterator[Row]:
    import torch_geometric.nn.models as models
    import torch_geometric.nn.models.dimenet as dimenet
    import torch_geometric.nn.models.visnet as visnet

    def radius_graph(x: Tensor, r: float, batch: Any = None, loop: bool = False, **_: Any) -> Tensor:
        """PyG's own needs a compiled extension."""
        near = torch.cdist(x, x) < r
        if not loop:
            near = near & ~torch.eye(len(x), dtype=torch.bool)
        return torch.nonzero(near).T.flip(0).contiguous()

    dimenet.radius_graph = visnet.radius_graph = radius_graph
    atoms = structure()
    z, pos = torch.tensor(atoms.numbers), torch.tensor(atoms.positions, dtype=torch.float32)
    batch = torch.zeros(len(z), dtype=torch.long)
    claim = check.molecule(("species", "positions", "batch"), "energy")

    def graph(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        edges = radius_graph(pos, 5.0)
        return edges, (pos[edges[0]] - pos[edges[1]]).norm(dim=-1)

    schnet = models.SchNet(64, 64, 3, interaction_graph=graph)
    yield "SchNet", check.equivariance(schnet, (z, pos, batch), claim)

    def triplets(edge_index: Tensor, num_nodes: int) -> tuple[Tensor, ...]:
        """Triplets k -> j -> i for every pair of edges that share j, without torch-sparse."""
        j, i = edge_index
        ji, kj = torch.nonzero((j[:, None] == i[None]) & (i[:, None] != j[None]), as_tuple=True)
        return i, j, i[ji], j[ji], j[kj], kj, ji

    dimenet.triplets = triplets
    for name, out in (
        ("DimeNet++", "glorot_orthogonal"),
        ("DimeNet++ with zero output weights (its default)", "zeros"),
    ):
        model = models.DimeNetPlusPlus(32, 1, 2, 16, 8, 32, 4, 4, output_initializer=out)
        yield name, check.equivariance(model, (z, pos, batch), claim)
    for lmax in (1, 2):
        model = models.ViSNet(lmax=lmax, num_layers=2, hidden_channels=32, num_heads=4, derivative=False)
        outputs = ("energy", None)
        yield (
            f"ViSNet, l = {lmax}",
            check.equivariance(model, (z, pos, batch), check.molecule(claim.inputs, outputs)),
        )

    class EGNN(nn.Module):
        """E(n)-equivariant layer of Satorras et al. 2021, two of them, plain torch."""

        def __init__(self) -> None:
            super().__init__()
            self.message = nn.ModuleList(nn.Sequential(nn.Linear(33, 16), nn.SiLU()) for _ in range(2))
            self.move = nn.ModuleList(nn.Linear(16, 1) for _ in range(2))
            self.embed = nn.Embedding(10, 16)

        def forward(self, z: Tensor, pos: Tensor) -> Tensor:
            h = self.embed(z)
            for message, move in zip(self.message, self.move, strict=True):
                d = pos[:, None] - pos[None]
                pairs = torch.cat([h[:, None].expand(-1, len(z), -1), h[None].expand(len(z), -1, -1)], -1)
                m = message(torch.cat([pairs, d.square().sum(-1, keepdim=True)], -1))
                pos = pos + (d * move(m)).mean(1)
                h = h + m.sum(1)
            return pos

    yield "EGNN", check.equivariance(EGNN(), (z, pos), check.molecule(("species", "positions"), "positions"))


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
    yield "ScaleShiftMACE 64x0e+64x1o, 20 atoms", check.equivariance(model(torch.float32), inputs, claim)

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
    yield (
        "the same, broken: bias of 1e-3 after interactions.1.linear_up",
        check.equivariance(broken, inputs, claim),
    )


def nequip() -> Iterator[Row]:
    from nequip.model import NequIPGNNModel
    from nequip.utils.global_state import set_global_state

    set_global_state()
    model = NequIPGNNModel(
        seed=0,
        model_dtype="float32",
        r_max=5.0,
        type_names=["H", "C", "O"],
        l_max=2,
        parity=True,
        num_layers=3,
        num_features=16,
        avg_num_neighbors=8.0,
    )
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
    yield "NequIP l = 2, 3 layers", check.equivariance(model, inputs, claim)


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
        yield name, check.equivariance(model, inputs, claim)


def chgnet() -> Iterator[Row]:
    from chgnet.model.dynamics import CHGNetCalculator

    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    crystal.rattle(0.08, seed=0)
    yield "CHGNet, shipped weights, NaCl", check.calculator(CHGNetCalculator(use_device="cpu"), crystal)


def escnn() -> Iterator[Row]:
    from escnn import gspaces
    from escnn import nn as enn

    def network(stride: int) -> tuple[nn.Module, Any]:
        space = gspaces.rot2dOnR2(4)
        image, hidden = (
            enn.FieldType(space, [space.trivial_repr]),
            enn.FieldType(space, 4 * [space.regular_repr]),
        )
        layers = [
            enn.R2Conv(image, hidden, 3, padding=1),
            enn.ReLU(hidden),
            enn.R2Conv(hidden, hidden, 3, padding=1, stride=stride),
            enn.ReLU(hidden),
            enn.GroupPooling(hidden),
        ]
        return enn.SequentialModule(*layers), enn.GeometricTensor(torch.randn(2, 1, 12, 12), image)

    for name, stride in (("C4 CNN", 1), ("C4 CNN with stride 2 on 12 pixels", 2)):
        model, inputs = network(stride)
        yield name, check.equivariance(model, inputs, check.image("C4"))


def calculators() -> Iterator[Row]:
    from ase.calculators.emt import EMT
    from ase.calculators.lj import LennardJones

    small = molecule("CH3CH2OH")
    small.rattle(0.05, seed=1)
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.05, seed=1)
    yield "EMT, Cu", check.calculator(EMT(), copper)
    yield "Lennard-Jones, cut, Cu", check.calculator(LennardJones(sigma=2, epsilon=0.1, rc=4.5), copper)
    smooth = LennardJones(sigma=2, epsilon=0.1, rc=4.5, ro=3.0, smooth=True)
    yield "Lennard-Jones, smooth, Cu", check.calculator(smooth, copper)
    try:
        from tblite.ase import TBLite
    except ImportError:
        return
    yield "tblite GFN2-xTB, ethanol", check.calculator(TBLite(method="GFN2-xTB", verbosity=0), small)


SUBJECTS: dict[str, Callable[[], Iterator[Row]]] = {
    f.__name__: f for f in (e3nn, pyg, mace, nequip, schnetpack, chgnet, escnn, calculators)
}


def _row(name: str, report: Any, seconds: float) -> str:
    if isinstance(report, check.CalculatorReport):
        worst = max(
            report.tests,
            key=lambda t: (t.verdict == "fail", t.verdict == "undecided", t.error / (t.floor or 1e-300)),
        )
        what = f"{worst.name}, {worst.quantity}: {worst.error:.1e} {worst.unit} | {worst.floor:.1e}"
        culprit = "; ".join(f"{t.name} ({t.quantity}): {t.note}" for t in report.failures)
    else:
        worst = report.worst
        what = f"{worst.factor}, {worst.quantity}: {worst.error:.1e} | {worst.noise_floor:.1e}"
        culprit = f"`{report.culprit}`" if report.culprit else worst.note
    return f"| {name} | {what} | {report.verdict} | {culprit} | {seconds:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subjects", nargs="+", choices=sorted(SUBJECTS))
    parser.add_argument("--full", action="store_true", help="print whole reports too")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    print("| model | worst error | noise floor | verdict | culprit or note | CPU seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for subject in arguments.subjects:
        started = time.process_time()
        for name, report in SUBJECTS[subject]():
            print(_row(name, report, time.process_time() - started), flush=True)
            if arguments.full:
                print(report, flush=True)
            started = time.process_time()


if __name__ == "__main__":
    main()
