"""Labels that `equishare learn` needs against picking frames at random from the same trajectories: GFN2-xTB, one molecule, 600 K.

    python benchmarks/learning.py --molecule CH3CH2OH --seeds 3 --labels 120

Prints the root mean square error of the forces on frames of GFN2-xTB dynamics at 600 K that neither has seen, over the number of labels.
The frames kept to judge by (a fifth) count as labels in both.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from ase.build import molecule

from equishare.atoms.reading import frames_of
from equishare.learning import LearnSettings, Steps, learn
from equishare.learning.choosing import choose, how_many
from equishare.learning.ledger import bare
from equishare.potential import load
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.pretraining.sampling import sample

TEMPERATURE = 600.0


def at_random(campaign, pool):
    """As many frames of the pool as `choose` takes, at random."""
    order = campaign.rng("choose").permutation(len(pool))[: how_many(campaign)]
    n_valid = max(2, round(0.2 * len(order)))
    asked = []
    for number, k in enumerate(order):
        image = bare(pool[k])
        image.info |= {"role": "valid" if number < n_valid else "train", "why": "at random"}
        asked.append(image)
    return asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecule", default="CH3CH2OH", help="a name of ase.build.molecule")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--labels", type=int, default=120)
    parser.add_argument("--steps", type=int, default=LearnSettings().training_steps)
    arguments = parser.parse_args()
    start = molecule(arguments.molecule)
    test = frames_of(sample([start], 200, [TEMPERATURE], seed=4711))
    print(f"{arguments.molecule}, {len(test)} test frames of GFN2-xTB at {TEMPERATURE:g} K; force RMSE in meV/Å")
    for seed in range(arguments.seeds):
        for name, steps in (("asked", Steps(choose=choose)), ("random", Steps(choose=at_random))):
            with tempfile.TemporaryDirectory() as folder:
                learnt = learn(
                    start, "xtb", out=Path(folder) / "campaign", steps=steps, report=False, temperatures=(TEMPERATURE,), seed=seed,
                    max_labels=arguments.labels, training_steps=arguments.steps, accuracy=1e-4, workers=1, picoseconds=0.5,
                )  # fmt: skip
                for record in learnt.records:
                    found = evaluate(load(learnt.folder.round(record.number).model), test).errors["forces"].rmse
                    print(f"seed {seed}  {name:<7} {record.labels:>4} labels  {1000 * found:6.1f}", flush=True)
                final = evaluate(load(learnt.folder.model), test).errors["forces"].rmse
                seconds = np.sum([sum(record.seconds.values()) for record in learnt.records])
                print(f"seed {seed}  {name:<7} final  {1000 * final:6.1f}  ({seconds:.0f} s before it)", flush=True)


if __name__ == "__main__":
    main()
