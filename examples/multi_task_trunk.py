"""One trunk for several properties of a molecule: energy and dipole moment of ethanol, against separate nets.

    python examples/multi_task_trunk.py [--quick] [--out FOLDER]

The bundled ethanol frames (GFN2-xTB; `equishare.datasets.generate` makes them again) give energies with forces, and dipoles. Trunk:
two rounds of `DensityLayer` (density convolution, products on atoms), irreps 0e + 1o + 2e. Heads: E = sum_i e_i, and
mu = sum_i (q_i r_i + mu_i) from charges (0e) and atomic dipoles (1o). Does the other label teach the trunk where one is rare? The
wide trunk has about as many weights as the two nets together.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from equishare import datasets, nn
from equishare.nn.e3.density_conv import natural_irreps
from equishare.potential.config import ModelConfig
from equishare.potential.density_net import DensityLayer
from equishare.potential.graph import collate, from_atoms
from equishare.potential.torch_operations import TorchOperations

BOTH = ("energy", "dipole")
NETS = {"one trunk": (BOTH, 16), "wide trunk": (BOTH, 24)} | {f"{name} alone": ((name,), 16) for name in BOTH}
WEIGHTS = {"energy": 1.0, "forces": 0.1, "dipole": 10.0}  # bring the errors of the three to one size


class Trunk(torch.nn.Module):
    """Features [atoms, 9, channels] of every atom, irreps 0e + 1o + 2e; elements up to fluorine."""

    def __init__(self, channels=16, cutoff=5.0, neighbours=8.0):
        super().__init__()
        config = ModelConfig(channels=channels, l_density=2, l_features=2, cutoff=cutoff)
        self.irreps = natural_irreps(channels, 2)
        self.embedding = torch.nn.Embedding(10, channels)
        self.basis, self.harmonics = nn.RadialBasis(cutoff, config.n_basis), nn.SphericalHarmonics(2)
        self.rounds = torch.nn.ModuleList([DensityLayer(config, l_in, 2, 10, neighbours) for l_in in (0, 2)])

    def forward(self, graph):
        """Features of the atoms of a batch."""
        edges = nn.Edges(graph.edge_index, len(graph.numbers))
        ops = TorchOperations(graph.edge_vectors().float(), graph.numbers, edges, graph.atom_batch, graph.n_graphs)
        ops.edge_functions(self.basis.radial, self.harmonics.l_max)
        features = ops.embed(self.embedding.weight)
        return self.rounds[1](ops, self.rounds[0](ops, features))


def sum_atoms(values, graph):
    return values.new_zeros(graph.n_graphs, *values.shape[1:]).index_add(0, graph.atom_batch, values)


class Molecule(torch.nn.Module):
    """Energies with forces, and dipoles, of a batch of molecules of nine atoms, in units of their spread, from one trunk."""

    def __init__(self, properties, **trunk):
        super().__init__()
        self.trunk = Trunk(**trunk)
        read = lambda irrep, width=None: nn.Readout(self.trunk.irreps, irrep, width)  # noqa: E731
        heads = {"energy": [read("0e", 32)], "dipole": [read("0e", 32), read("1o")]}
        self.heads = torch.nn.ModuleDict({name: torch.nn.ModuleList(heads[name]) for name in properties})

    def forward(self, graph):
        """The properties that it has heads for."""
        positions = graph.positions.requires_grad_()
        features, out = self.trunk(graph), {}
        if "energy" in self.heads:
            out["energy"] = sum_atoms(self.heads["energy"][0](features).squeeze(1), graph)
            (slope,) = torch.autograd.grad(out["energy"].sum(), positions, create_graph=True)
            out["forces"] = -slope.reshape(-1, 9, 3)
        if "dipole" in self.heads:
            charge, atomic = (head(features) for head in self.heads["dipole"])  # positions sum to zero
            out["dipole"] = sum_atoms(charge * positions.float() + atomic, graph)
        return out


def train(net, graphs, labels, steps, rng, batch=16):
    """Adam on the mean squared errors of the labels that are there (not NaN); half a batch has all of them."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    complete = torch.isfinite(labels["dipole"]).all(1).nonzero()[:, 0]
    for _ in range(steps):
        draw = lambda among: among[torch.randint(len(among), (batch // 2,), generator=rng)]  # noqa: E731
        rows, loss = torch.cat([draw(torch.arange(len(graphs))), draw(complete)]), 0.0
        out = net(collate([graphs[i] for i in rows.tolist()]))
        for name, value in out.items():
            known = torch.isfinite(labels[name][rows]).reshape(batch, -1).all(1)
            weight = WEIGHTS[name]
            loss = loss + weight * (value[known] - labels[name][rows][known]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        schedule.step()
    return net


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer frames and steps")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    count, test_count, steps = (30, 20, 4) if arguments.quick else (600, 252, 500)
    frames = [a for a in datasets.load("ethanol") if len(a) == 9]
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(0))[:count]
    parts = [[frames[i] for i in order], datasets.load("ethanol_test")[:test_count]]
    stacked = lambda part, name: torch.tensor(np.array([a.calc.results[name] for a in part])).float()  # noqa: E731
    train_set, test_set = ({name: stacked(part, name) for name in ("energy", "forces", "dipole")} for part in parts)
    mean, spread = train_set["energy"].mean(), {name: values.std() for name, values in train_set.items()}
    graphs, results = [[from_atoms(a, 5.0) for a in part] for part in parts], {}
    labels = {name: train_set[name] / spread["energy"] for name in ("energy", "forces")}
    labels |= {"energy": labels["energy"] - mean / spread["energy"], "dipole": train_set["dipole"] / spread["dipole"]}
    truth = {"energy": test_set["energy"] - mean, "dipole": test_set["dipole"]}

    print("test RMSE        labels (energy, dipole)   energy, meV   dipole, 1e-3 e·Å   weights   CPU s")
    for scarce in (count, count // 20):
        few = labels | {"dipole": labels["dipole"].clone()}
        few["dipole"][scarce:] = torch.nan
        for name, (properties, channels) in NETS.items():
            if name == "energy alone" and scarce < count:
                continue  # the same run as before
            torch.manual_seed(0)
            net, start = Molecule(properties, channels=channels), time.process_time()
            train(net, graphs[0], few, steps, torch.Generator().manual_seed(0))
            seconds = time.process_time() - start
            out = {name: value.detach() for name, value in net(collate(graphs[1])).items() if name in truth}
            error = {p: float((v * spread[p] - truth[p]).square().mean().sqrt()) * 1000 for p, v in out.items()}
            results[name, scarce] = error
            shown = [f"{error[p]:12.1f}" if p in error else " " * 12 for p in ("energy", "dipole")]
            shown.append(f"{sum(p.numel() for p in net.parameters()):16,d}")
            print(f"{name:16s} {count:10d} {scarce:8d}      {' '.join(shown)} {seconds:7.0f}")

    figure, axes = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
    for ax, prop, title in zip(
        axes, ("energy", "dipole"), ("energy, RMSE in meV", "dipole, RMSE in 1e-3 e·Å"), strict=True
    ):
        bars = {f"{name}\n{scarce} dipoles": error[prop] for (name, scarce), error in results.items() if prop in error}
        ax.bar(list(bars), list(bars.values()), color=["C0" if "trunk" in name else "C1" for name in bars])
        ax.tick_params(axis="x", labelsize=7)
        ax.set(ylabel=title)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "multi_task_trunk.png", dpi=64)
    print(f"saved {arguments.out / 'multi_task_trunk.png'}")


if __name__ == "__main__":
    main()
