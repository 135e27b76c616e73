"""Labels that asking needs, against frames picked at random from the same trajectories: GFN2-xTB, 600 K.

    python benchmarks/learning.py [--molecules ethanol,glycine] [--seeds 3] [--labels 80] [--steps 300] [--table]

Each campaign draws its trajectories with its own potential and asks for frames of them. The other arm is given those very trajectories,
round after round, and picks as many frames at random. In both a fifth of the labels is kept to judge by. Errors are those of the forces on
frames of GFN2-xTB dynamics at 600 K that neither has seen. A pair of runs that is done is not run again; ``--table`` prints what there is.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import machine, read, write

from equishare.atoms.reading import frames_of
from equishare.learning import Learnt, Steps, learn
from equishare.learning.choosing import AT_RANDOM
from equishare.learning.drawing import Drawn
from equishare.learning.ledger import bare, read_all
from equishare.learning.start import read_start
from equishare.potential import load
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.pretraining.sampling import sample

NAME = "learning"
TEMPERATURE = 600.0
MOLECULES = {
    "ethanol": "CCO",
    "malonaldehyde": "OC=CC=O",
    "acetylacetone": "CC(O)=CC(C)=O",
    "glycine": "NCC(=O)O",
}
TEST_FRAMES = 150


def at_random_as_many_as(other: Learnt):
    """Picks at random as many frames of the pool as another campaign asked for in the same round."""

    def choose(campaign, pool):
        count = len(read_all(other.folder.round(campaign.number).asked))
        order = campaign.rng("choose").permutation(len(pool))[:count]
        n_valid = max(2, round(AT_RANDOM * len(order)))
        asked = []
        for number, k in enumerate(order):
            image = bare(pool[k])
            image.info |= {"role": "valid" if number < n_valid else "train", "why": "at random"}
            asked.append(image)
        return asked

    return choose


def trajectories_of(other: Learnt):
    """Draws what another campaign drew in the same round."""

    def draw(campaign):
        return Drawn(read_all(other.folder.round(campaign.number).pool), [], [])

    return draw


def until(labels: int):
    """Stops a campaign as Ctrl-C does: without a last training."""

    def stop(campaign):
        if campaign.spent >= labels:
            raise KeyboardInterrupt

    return stop


def pair(name: str, seed: int, labels: int, steps: int, test: list) -> list[dict[str, object]]:
    """A campaign that asks and one that picks at random from its trajectories: a row each."""
    start = read_start(MOLECULES[name])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        replaced = Steps(stop=until(labels))
        for arm in ("asked", "random"):
            begun = time.process_time()
            learnt = learn(
                start, "xtb", out=Path(folder) / arm, steps=replaced, report=False, temperatures=(TEMPERATURE,), seed=seed,
                first=20, max_labels=labels, training_steps=steps, accuracy=1e-4, workers=1,
            )  # fmt: skip
            potentials = [load(learnt.folder.round(record.number).model) for record in learnt.records]
            errors = [evaluate(potential, test).errors["forces"].rmse for potential in potentials]
            rows.append(
                {
                    "molecule": name, "seed": seed, "arm": arm, "steps": steps, "labels": [r.labels for r in learnt.records],
                    "forces": [round(1000 * error, 2) for error in errors], "seconds": round(time.process_time() - begun),
                }
            )  # fmt: skip
            print(rows[-1], flush=True)
            replaced = Steps(draw=trajectories_of(learnt), choose=at_random_as_many_as(learnt), stop=until(labels))
    return rows


def labels_at(error: float, labels: list[int], errors: list[float]) -> float:
    """Labels at which a curve of errors first reaches one, between two points by powers; infinite if it never does."""
    for k in range(1, len(labels)):
        if errors[k] <= error < errors[k - 1]:
            part = np.log(errors[k - 1] / error) / np.log(errors[k - 1] / errors[k])
            return float(labels[k - 1] * (labels[k] / labels[k - 1]) ** part)
    return float(labels[0]) if errors[0] <= error else float("inf")


def table(rows: list[dict]) -> None:
    """Errors over labels of each pair, and the labels that asking needs for the last error of the random picks."""
    print(
        "force RMSE in meV/Å at 600 K over labels; ratio: labels that asking needs for what random picks reach at last"
    )
    for asked, picked in zip(rows[::2], rows[1::2], strict=True):
        ratio = labels_at(picked["forces"][-1], asked["labels"], asked["forces"]) / picked["labels"][-1]
        print(
            f"\n{asked['molecule']}, seed {asked['seed']:<6}" + "".join(f"{n:>8}" for n in asked["labels"]) + "   ratio"
        )
        print(f"{'asked':<22}" + "".join(f"{error:>8.1f}" for error in asked["forces"]) + f"{ratio:>8.2f}")
        print(f"{'random':<22}" + "".join(f"{error:>8.1f}" for error in picked["forces"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", default=",".join(MOLECULES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--steps", type=int, default=300, help="of training, a round")
    parser.add_argument("--table", action="store_true", help="print what there is")
    arguments = parser.parse_args()
    results = read(NAME)
    rows = results.setdefault("rows", [])
    for seed in range(0 if arguments.table else arguments.seeds):
        for name in arguments.molecules.split(","):
            if any(row["molecule"] == name and row["seed"] == seed for row in rows):
                continue
            test = frames_of(sample(read_start(MOLECULES[name]), TEST_FRAMES, [TEMPERATURE], seed=4711))
            rows += pair(name, seed, arguments.labels, arguments.steps, test)
            write(NAME, results | {"machine": machine("torch", "tblite", "ase")})
    table(rows)


if __name__ == "__main__":
    main()
