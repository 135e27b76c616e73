"""A small potential of one crystal, distilled from a teacher: EMT here, a large pretrained model where one is installed.

    python examples/learn_crystal.py [--teacher chgnet] [--labels N] [--out FOLDER] [--quick]

The teacher is any name that ``equishare learn --label`` takes: ``chgnet``, ``7net``, or ``MODULE:FACTORY``. The potential is judged on
frames of its own dynamics at 600 K, labelled by the teacher afterwards. ``--quick`` hardly trains, to see that all runs.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import units
from ase.build import bulk
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from matplotlib.figure import Figure
from rich.console import Console

import equishare

QUICK = {
    "first": 10, "max_labels": 20, "training_steps": 3, "picoseconds": 0.1,
    "training": {"preset": "small", "channels": 4, "cutoff": 3.5, "committee": 2},
}  # fmt: skip


def visited(start, potential, temperature, count, stride=20):
    """Frames of dynamics with the potential."""
    rng = np.random.default_rng(1)
    atoms = start.copy()
    atoms.calc = potential.calculator()
    thermalize_momenta(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(atoms, 1.0 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng)
    frames = []
    for _ in range(count):
        dynamics.run(stride)
        frames.append(atoms.copy())
    return frames


def forces_of(calculator, frames):
    """Forces of frames, and seconds of CPU a frame."""
    begun = time.process_time()
    forces = np.array([calculator.get_forces(atoms) for atoms in frames])
    return forces, (time.process_time() - begun) / len(frames)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher", default="ase.calculators.emt:EMT")
    parser.add_argument("--labels", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="four atoms, hardly any training")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the picture")
    arguments = parser.parse_args(argv)
    start = bulk("Cu", cubic=True) * ((1, 1, 1) if arguments.quick else (3, 3, 2))
    settings = (
        QUICK if arguments.quick else {"max_labels": arguments.labels, "first": 20, "training": {"preset": "small"}}
    )
    with tempfile.TemporaryDirectory() as folder:
        learnt = equishare.learn(
            start,
            arguments.teacher,
            out=Path(folder) / "campaign",
            temperatures=(300, 600),
            workers=1,
            report=False,
            console=Console(highlight=False),
            **settings,
        )
        potential = equishare.potential.load(learnt.folder.model)
    frames = visited(start, potential, temperature=600, count=3 if arguments.quick else 40)
    theirs, slow = forces_of(equishare.learning.labeller(arguments.teacher, start)(), frames)
    ours, fast = forces_of(potential.calculator(), frames)
    print(f"{len(learnt.records)} rounds, {learnt.records[-1].labels} labels; ended: {learnt.reason}")
    print(f"{len(frames)} frames at 600 K: {1000 * np.sqrt(np.mean((ours - theirs) ** 2)):.1f} meV/Å from the teacher")
    print(f"a frame of {len(start)} atoms takes the teacher {1000 * slow:.2f} ms, the potential {1000 * fast:.2f} ms")
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.axline((0, 0), slope=1, color="0.7")
    axes.plot(theirs.ravel(), ours.ravel(), ".", markersize=2)
    axes.set(xlabel="force of the teacher, eV/Å", ylabel="force of the potential, eV/Å")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "learn_crystal.png", dpi=110)
    print(f"saved {arguments.out / 'learn_crystal.png'}")


if __name__ == "__main__":
    main()
