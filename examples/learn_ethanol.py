"""A potential of ethanol from one structure: it asks GFN2-xTB, or another method, for the frames that it knows least.

    python examples/learn_ethanol.py [--label METHOD] [--labels N] [--folder FOLDER] [--judge MODEL] [--out FOLDER] [--quick]

Needs tblite (pip install 'equishare[xtb]'). The potential is judged on frames of xTB's own dynamics, which the campaign has not seen, with the
method's labels. ``--judge`` does no more than that, for a model file that is there already. ``--quick`` makes few labels and hardly trains, to see
that all runs.
"""

import argparse
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
from ase import units
from ase.build import molecule
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from matplotlib.figure import Figure
from rich.console import Console
from tblite.ase import TBLite

import equishare

TEMPERATURES = (300, 600)
QUICK = {
    "first": 10, "max_labels": 20, "training_steps": 3, "picoseconds": 0.1, "workers": 1,
    "training": {"preset": "small", "channels": 4, "committee": 2},
}  # fmt: skip


def frames_of_xtb(temperature, count, stride=100):
    """Frames of Langevin dynamics with GFN2-xTB, after four strides of equilibration."""
    rng = np.random.default_rng(1)
    atoms = molecule("CH3CH2OH")
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    thermalize_momenta(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng)
    dynamics.run(4 * stride)
    for _ in islice(dynamics.irun(count * stride), stride, None, stride):
        yield atoms.copy()


def judge(potential, label, temperature, **amount):
    """Print how far the forces are from the method's."""
    calculator = equishare.learning.labeller(label, molecule("CH3CH2OH"))()
    frames = [*frames_of_xtb(temperature, **amount)]
    found = [each["forces"] for each in potential.predict(frames)]
    error = np.array(found) - np.array([calculator.get_forces(atoms) for atoms in frames])
    print(
        f"{temperature} K, {len(frames)} frames of xTB's own dynamics: {1000 * np.sqrt(np.mean(error**2)):.1f} meV/Å",
        flush=True,
    )


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--label", default="xtb", help="method that labels")
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="of the campaign; without it, it is not kept")
    parser.add_argument("--judge", type=Path, help="a model file: nothing is learnt")
    parser.add_argument("--quick", action="store_true", help="few labels, hardly any training")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the picture")
    arguments = parser.parse_args(argv)
    amount = {"count": 3, "stride": 10} if arguments.quick else {"count": 100}
    if arguments.judge is not None:
        for temperature in TEMPERATURES:
            judge(equishare.potential.load(arguments.judge), arguments.label, temperature, **amount)
        return
    settings = QUICK if arguments.quick else {"max_labels": arguments.labels}
    with tempfile.TemporaryDirectory() as folder:
        learnt = equishare.learn(
            molecule("CH3CH2OH"),
            arguments.label,
            out=arguments.folder or Path(folder) / "campaign",
            temperatures=TEMPERATURES,
            report=arguments.folder is not None,
            console=Console(highlight=False),
            **settings,
        )
        potential = equishare.potential.load(learnt.folder.model)
    print(f"ended: {learnt.reason}; {1000 * learnt.errors['forces']:.1f} meV/Å on the frames kept to judge by")
    for temperature in TEMPERATURES:
        judge(potential, arguments.label, temperature, **amount)
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
