"""What it is worth to tell a potential the charge: errors on molecules that occur neutral and as cations, with the condition and without.

    python benchmarks/conditions.py --epochs 120 --seeds 2

Trains on the bundled ``ions`` and judges on ``ions_test``, of which a geometry does not tell the charge: without the condition the best that
can be predicted is the mean of both.
"""

import argparse
import tempfile

import numpy as np

import equishare
from equishare.atoms import read_frames


def errors(conditions: list[str], epochs: int, seed: int) -> tuple[float, float]:
    """RMSE of the energy an atom in meV, and of the forces in meV/Å, on the test frames."""
    with tempfile.TemporaryDirectory() as folder:
        run = equishare.train(
            "ions",
            data={"test": ["ions_test"]},
            model={"preset": "small", "conditions": conditions},
            budget={"epochs": epochs},
            run={"out": f"{folder}/run", "seed": seed, "device": "cpu"},
        )
        frames = read_frames("ions_test")
        rows = equishare.potential.load(run.folder.model).predict([frame.atoms for frame in frames])
    pairs = [(f, r) for f, r in zip(frames, rows, strict=True) if f.energy is not None and len(f.atoms) > 1]
    energy = [(r["energy"] - f.energy) / len(f.atoms) for f, r in pairs]
    forces = np.concatenate([(r["forces"] - f.forces).ravel() for f, r in pairs])
    return 1000 * float(np.sqrt(np.mean(np.square(energy)))), 1000 * float(np.sqrt(np.mean(forces**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    means = {}
    print(f"{'conditions':<14}{'E RMSE, meV/atom':>18}{'F RMSE, meV/Å':>16}")
    for conditions in ([], ["charge", "spin"]):
        found = [errors(conditions, options.epochs, seed) for seed in range(options.seeds)]
        means[bool(conditions)] = energy, forces = np.mean(found, axis=0)
        print(f"{', '.join(conditions) or 'none':<14}{energy:>18.2f}{forces:>16.1f}")
    ratio = means[False] / means[True]
    print(f"error without over with: energy {ratio[0]:.1f}, forces {ratio[1]:.1f}")


if __name__ == "__main__":
    main()
