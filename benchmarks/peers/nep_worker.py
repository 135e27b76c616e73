"""NEP under test, through calorine's calculator for CPUs, with random weights: fitting one takes GPUMD, which needs a GPU.

Fan et al., "Neuroevolution machine learning potentials" (2021); the fourth version's defaults, with our cutoff.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import worker

HEAD = """nep4 {count} {elements}
cutoff {cutoff} {cutoff} 200 200
n_max 4 4
basis_size 8 8
l_max 4 2 0
ANN 30 0
"""


class Nep(worker.Program):
    """n_max 4 4, basis 8 8, l_max 4 2 0, 30 neurons, 5 Å."""

    packages = ("calorine",)

    def calculator(self, energies: dict[str, float]) -> Any:
        """A file of random, weak weights."""
        from calorine.calculators import CPUNEP

        count, neurons = len(energies), 30
        radial, angular = 5, 5 * (4 + 1)  # numbers that describe an atom
        weights = count * neurons * (radial + angular + 2) + 1 + count**2 * 2 * 5 * 9
        numbers = [*(0.01 * np.random.default_rng(0).standard_normal(weights)), *np.ones(radial + angular)]
        path = Path(tempfile.mkdtemp()) / "nep.txt"
        head = HEAD.format(count=count, elements=" ".join(energies), cutoff=worker.CUTOFF)
        path.write_text(head + "\n".join(f"{number:.7e}" for number in numbers) + "\n")
        return CPUNEP(str(path))


if __name__ == "__main__":
    worker.main(Nep)
