"""QM9: scalars, the dipole's norm and the polarizability tensor of molecules from one equivariant trunk, against separate nets.

    pip install qm9pack
    python examples/qm9_multi_task.py [--quick] [--out FOLDER] [--molecules N] [--epochs N]

The PyPI package qm9pack ships 130,831 geometries with properties (MIT; Ramakrishnan et al. 2014) and polarizability tensors. The tensors
are by the principal axes of the nuclear charges, not by the coordinates (`equishare.datasets.qm9`). A predicted tensor,
sum_i (0e + 2e), is turned there; axes have no sign, so that of the four choices which is nearest to the label counts. The features come from the same trunk as in `multi_task_trunk.py`.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from multi_task_trunk import Trunk, sum_atoms

from equishare import nn
from equishare.datasets.qm9 import qm9
from equishare.potential.graph import collate, from_atoms

CHOICES = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])  # turns by pi about the axes, as diagonals
SCALARS = ("zpve", "heat_capacity", "gap")
UNITS = {"zpve": "eV", "heat_capacity": "cal/mol/K", "gap": "eV", "dipole_norm": "e·Å", "polarizability": "Å^3"}


def molecules(count):
    """Graphs and labels; near-symmetric tops, whose axes mean little, are left out."""
    distinct = lambda moments: min(-np.diff(moments)) > 0.02 * moments[0]  # noqa: E731
    frames = [a for a in qm9(int(1.2 * count) + 10) if distinct(a.info["charge_moments"])][:count]
    labels = {k: torch.tensor(np.array([a.info[k] for a in frames])).float() for k in (*UNITS, "frame")}
    labels["composition"] = torch.tensor(
        [[(a.numbers == z).sum() for z in (1, 6, 7, 8, 9)] + [1] for a in frames]
    ).float()
    return [from_atoms(a, 4.5) for a in frames], labels


class Molecule(torch.nn.Module):
    """The properties of each molecule of a batch, from one trunk; in units of their spread, extensive ones above a composition's."""

    def __init__(self, properties):
        super().__init__()
        self.trunk = Trunk(channels=24, cutoff=4.5, neighbours=12.0)
        self.register_buffer("to_matrix", nn.clebsch_gordan(1, 1, 2).float())
        read = lambda irrep, width=None: nn.Readout(self.trunk.irreps, irrep, width)  # noqa: E731
        heads = {name: [read("0e", 32)] for name in SCALARS}
        heads |= {"dipole_norm": [read("0e", 32), read("1o")], "polarizability": [read("0e", 32), read("2e")]}
        self.heads = torch.nn.ModuleDict({name: torch.nn.ModuleList(heads[name]) for name in properties})

    def forward(self, graph, frame):
        """By name; the tensors turned to their frames [molecules, 3, 3]."""
        features, out = self.trunk(graph), {}
        sizes = sum_atoms(torch.ones_like(graph.positions[:, 0]), graph)
        for name, heads in self.heads.items():
            values = [head(features) for head in heads]
            if name in SCALARS:
                out[name] = sum_atoms(values[0][:, 0], graph) / (sizes if name == "gap" else 18)
            elif name == "dipole_norm":
                charge = values[0] - (sum_atoms(values[0], graph) / sizes[:, None])[graph.atom_batch]  # neutral
                out[name] = (sum_atoms(charge * graph.positions + values[1], graph).square().sum(1) + 1e-6).sqrt()
            else:
                isotropic, rest = (sum_atoms(v, graph) / 18 for v in values)
                tensor = torch.einsum("abm,nm->nab", self.to_matrix, rest) + isotropic[:, :, None] * torch.eye(3)
                out[name] = frame @ tensor @ frame.mT
        return out


def errors(out, target):
    """Differences by name; a tensor's for the best signs of its axes."""
    found = {name: value - target[name] for name, value in out.items()}
    if "polarizability" in out:
        turned = CHOICES[:, None, :, None] * out["polarizability"] * CHOICES[:, None, None, :]
        each = (turned - target["polarizability"]).square().sum((2, 3))
        found["polarizability"] = torch.gather(turned, 0, each.argmin(0)[None, :, None, None].expand(1, -1, 3, 3))[0]
        found["polarizability"] = found["polarizability"] - target["polarizability"]
    return found


def run(properties, graphs, target, test, epochs, batch=32):
    torch.manual_seed(0)
    net, count, start = Molecule(properties), len(graphs) - test, time.process_time()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=epochs * (count // batch))
    for _ in range(epochs):
        for rows in torch.randperm(count)[: count // batch * batch].reshape(-1, batch):
            out = net(collate([graphs[i] for i in rows]), target["frame"][rows])
            loss = sum(e.square().mean() for e in errors(out, {k: v[rows] for k, v in target.items()}).values())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        parts = [torch.arange(i, min(i + 100, len(graphs))) for i in range(count, len(graphs), 100)]
        outs = [net(collate([graphs[i] for i in rows]), target["frame"][rows]) for rows in parts]
        out = {name: torch.cat([o[name] for o in outs]) for name in properties}
    seconds, found = time.process_time() - start, errors(out, {k: v[count:] for k, v in target.items()})
    return found, sum(p.numel() for p in net.parameters()), seconds


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="60 molecules, one epoch")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    parser.add_argument("--molecules", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args(argv)
    count, epochs = (60, 1) if arguments.quick else (arguments.molecules, arguments.epochs)
    graphs, labels = molecules(count)
    test = count // 5
    spread, target = {}, dict(labels)
    for name in UNITS:
        values = labels[name]
        if name in SCALARS:  # what a sum over elements explains is taken off
            x = labels["composition"]
            values = values - x @ torch.linalg.lstsq(x[:-test], values[:-test, None]).solution[:, 0]
        spread[name] = values[:-test].std()
        target[name] = values / spread[name]
    print(f"{count - test} molecules to learn from, {test} to test, {epochs} epochs; RMSE, and % of the labels' spread")
    short, long = (run(tuple(UNITS), graphs, target, test, n) for n in (epochs, 4 * epochs))
    own = {name: run((name,), graphs, target, test, epochs) for name in UNITS}
    print(f"{'':16s}{'one trunk':>20s}{f'{4 * epochs} epochs':>20s}{'separate nets':>20s}")
    for name, unit in UNITS.items():
        rmse = [float(e[name].square().mean().sqrt()) for e in (short[0], long[0], own[name][0])]
        print(f"{name:16s}" + "".join(f"{r * spread[name]:11.3f} ({100 * r:4.1f} %)" for r in rmse) + f"  {unit}")
    weights, seconds = (sum(r[k] for r in own.values()) for k in (1, 2))
    print(f"weights {short[1]:,d} against {weights:,d}; CPU s {short[2]:.0f} and {long[2]:.0f} against {seconds:.0f}")

    figure, axes = plt.subplots(1, 5, figsize=(15, 3.2), layout="constrained")
    for ax, (name, unit) in zip(axes, UNITS.items(), strict=True):
        truth = target[name][-test:].flatten() * spread[name]
        ax.plot(truth, truth + long[0][name].flatten() * spread[name], ".", ms=2)
        ax.plot(ends := [truth.min(), truth.max()], ends, color="0.6", lw=1)
        ax.set(title=f"{name}, {unit}", xlabel="label", ylabel="one trunk")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "qm9_multi_task.png", dpi=64)
    print(f"saved {arguments.out / 'qm9_multi_task.png'}")


if __name__ == "__main__":
    main()
