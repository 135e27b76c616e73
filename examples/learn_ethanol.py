"""A potential of ethanol from one structure: it asks GFN2-xTB for the frames that it knows least.

    python examples/learn_ethanol.py [--labels N] [--folder FOLDER] [--out FOLDER] [--quick]

Needs tblite (pip install 'equishare[xtb]'). The potential is judged on frames of xTB's own dynamics, which the campaign has not seen.
``--quick`` makes few labels and hardly trains, to see that all runs.
"""

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
from ase import units
from ase.build import molecule
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from matplotlib.figure import Figure
from rich.console import Console
from tblite.ase import TBLite

import equishare

QUICK = {
    "first": 10, "max_labels": 20, "training_steps": 3, "picoseconds": 0.1, "workers": 1,
    "training": {"preset": "small", "channels": 4, "committee": 2},
}  # fmt: skip


def frames_of_xtb(temperature, count, equilibration=200, stride=20):
    """Frames of Langevin dynamics with GFN2-xTB, with its forces."""
    rng = np.random.default_rng(1)
    atoms = molecule("CH3CH2OH")
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng)
    dynamics.run(equilibration)
    for _ in islice(dynamics.irun(count * stride), stride, None, stride):
        yield atoms.copy(), atoms.get_forces()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="of the campaign; without it, it is not kept")
    parser.add_argument("--quick", action="store_true", help="few labels, hardly any training")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the picture")
    arguments = parser.parse_args(argv)
    settings = QUICK if arguments.quick else {"max_labels": arguments.labels}
    with tempfile.TemporaryDirectory() as folder:
        learnt = equishare.learn(
            molecule("CH3CH2OH"),
            "xtb",
            out=arguments.folder or Path(folder) / "campaign",
            temperatures=(300, 600),
            report=arguments.folder is not None,
            console=Console(highlight=False),
            **settings,
        )
        potential = equishare.potential.load(learnt.folder.model)
    print(f"ended: {learnt.reason}; {1000 * learnt.errors['forces']:.1f} meV/Å on the frames kept to judge by")
    for temperature in (300, 600):
        frames, forces = zip(*frames_of_xtb(temperature, 3 if arguments.quick else 100), strict=True)
        found = [each["forces"] for each in potential.predict(frames)]
        error = np.sqrt(np.mean((np.array(found) - np.array(forces)) ** 2))
        print(f"{temperature} K, {len(frames)} frames of xTB's own dynamics: {1000 * error:.1f} meV/Å")
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    records = learnt.records
    axes.plot(
        [r.labels for r in records], [1000 * r.held_out["forces"] for r in records], "o-", label="kept to judge by"
    )
    axes.plot(
        [r.labels for r in records[:-1]],
        [1000 * r.fresh["forces"] for r in records[1:]],
        "o-",
        label="fresh, before they were labelled",
    )
    axes.set(xlabel="labels", ylabel="force RMSE, meV/Å", ylim=(0, None))
    axes.legend()
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "learn_ethanol.png", dpi=110)
    print(f"saved {arguments.out / 'learn_ethanol.png'}")


if __name__ == "__main__":
    main()
