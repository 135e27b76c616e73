"""One trunk for several properties of a molecule: energy and dipole moment of ethanol, against separate nets.

    python examples/multi_task_trunk.py [--quick] [--out FOLDER]

The bundled ethanol frames (GFN2-xTB; `python -m equishare.datasets.generate` makes them again) give energies and dipoles. Trunk: two
rounds of `DensityLayer` (density convolution, products on atoms), irreps 0e + 1o + 2e. Heads: E = sum_i e_i, and
mu = sum_i (q_i r_i + mu_i) from charges (0e) and atomic dipoles (1o). Where one label is rare, the other teaches the trunk for it.
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
        vectors, edges = graph.edge_vectors(), nn.Edges(graph.edge_index, len(graph.numbers))
        lengths = vectors.norm(dim=1)
        basis, harmonics = self.basis(lengths), self.harmonics(vectors / lengths[:, None])
        features = self.embedding(graph.numbers)[:, None]
        for layer in self.rounds:
            features = layer(features, basis, harmonics, edges, graph.numbers)
        return features


def sum_atoms(values, graph):
    return values.new_zeros(graph.n_graphs, *values.shape[1:]).index_add(0, graph.atom_batch, values)


class Molecule(torch.nn.Module):
    """Energies [molecules] and dipoles [molecules, 3] of a batch, in units of their spread, from one trunk."""

    def __init__(self, properties, **trunk):
        super().__init__()
        self.trunk = Trunk(**trunk)
        read = lambda irrep, width=None: nn.Readout(self.trunk.irreps, irrep, width)  # noqa: E731
        heads = {"energy": [read("0e", 32)], "dipole": [read("0e", 32), read("1o")]}
        self.heads = torch.nn.ModuleDict({name: torch.nn.ModuleList(heads[name]) for name in properties})

    def forward(self, graph):
        """The properties that it has heads for."""
        features, out = self.trunk(graph), {}
        if "energy" in self.heads:
            out["energy"] = sum_atoms(self.heads["energy"][0](features).squeeze(1), graph) / 9
        if "dipole" in self.heads:
            charge, atomic = (
                head(features) for head in self.heads["dipole"]
            )  # frames are centred: positions sum to zero
            out["dipole"] = sum_atoms((charge - charge.mean()) * graph.positions + atomic, graph)
        return out


def train(net, graphs, labels, steps, rng, batch=16):
    """Adam on the mean squared errors of all labels that are there (not NaN)."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    known = {name: torch.isfinite(labels[name].reshape(len(graphs), -1)).all(1).nonzero()[:, 0] for name in net.heads}
    for _ in range(steps):
        loss, order = 0.0, torch.randint(10**9, (batch,), generator=rng)
        chosen = {name: rows[order % len(rows)] for name, rows in known.items()}
        for rows in {tuple(r.tolist()): r for r in chosen.values()}.values():
            out = net(collate([graphs[i] for i in rows.tolist()]))
            for name in (n for n, r in chosen.items() if torch.equal(r, rows)):
                loss = loss + (out[name] - labels[name][rows]).square().mean()
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
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(0))[:count].tolist()
    parts = [[frames[i] for i in order], datasets.load("ethanol_test")[:test_count]]
    energies, dipoles = (
        [torch.tensor(np.array([a.calc.results[p] for a in part])).float() for part in parts]
        for p in ("energy", "dipole")
    )
    mean, spread = energies[0].mean(), {"energy": energies[0].std(), "dipole": dipoles[0].square().mean().sqrt()}
    graphs = [[from_atoms(a, 5.0) for a in part] for part in parts]
    labels = {"energy": (energies[0] - mean) / spread["energy"], "dipole": dipoles[0] / spread["dipole"]}
    truth = {"energy": energies[1] - mean, "dipole": dipoles[1]}

    print("test RMSE        labels (energy, dipole)   energy, meV   dipole, 1e-3 e·Å   weights   CPU s")
    results = {}
    for scarce in (count, count // 20):
        few = {"energy": labels["energy"], "dipole": labels["dipole"].clone()}
        few["dipole"][scarce:] = torch.nan
        for name, properties in (
            ("one trunk", ("energy", "dipole")),
            ("energy alone", ("energy",)),
            ("dipole alone", ("dipole",)),
        ):
            if (name, count) in results and properties == ("energy",):
                continue  # the same run as before
            torch.manual_seed(0)
            net, start = Molecule(properties), time.process_time()
            train(net, graphs[0], few, steps, torch.Generator().manual_seed(0))
            seconds = time.process_time() - start
            with torch.no_grad():
                out = net(collate(graphs[1]))
            error = {p: float((v * spread[p] - truth[p]).square().mean().sqrt()) * 1000 for p, v in out.items()}
            results[name, scarce] = error
            shown = [f"{error[p]:12.1f}" if p in error else " " * 12 for p in ("energy", "dipole")]
            weights = sum(p.numel() for p in net.parameters())
            print(f"{name:16s} {count:10d} {scarce:8d}      {shown[0]} {shown[1]}      {weights:10,d} {seconds:7.0f}")

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for ax, prop, title in zip(
        axes, ("energy", "dipole"), ("energy, RMSE in meV", "dipole, RMSE in 1e-3 e·Å"), strict=True
    ):
        bars = {f"{name}\n{scarce} dipoles": error[prop] for (name, scarce), error in results.items() if prop in error}
        ax.bar(list(bars), list(bars.values()), color=["C0" if "trunk" in name else "C1" for name in bars])
        ax.tick_params(axis="x", labelsize=7)
        ax.set(title=title)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "multi_task_trunk.png", dpi=80)
    print(f"saved {arguments.out / 'multi_task_trunk.png'}")


if __name__ == "__main__":
    main()
