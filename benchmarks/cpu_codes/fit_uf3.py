"""An ultra-fast force field (cubic splines of pairs and triplets) for one element, fitted by its own package and written for LAMMPS.

    python fit_uf3.py TRAIN.xyz OUT.uf3 [--cutoff 5.0] [--cutoff3 4.0]

Runs in an environment of its own (`pip install uf3`). Prints CPU seconds of the fit and the energy of an atom alone, which LAMMPS's pair style leaves
out, as JSON.

Xie, Rupp and Hennig, "Ultra-fast interpretable machine-learning potentials" (2023).
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from uf3.data import composition, io
from uf3.regression import least_squares
from uf3.representation import bspline, process

HEAD = "#UF3 POT UNITS: metal DATE: - AUTHOR: fit_uf3.py CITATION:\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train")
    parser.add_argument("out", type=Path)
    parser.add_argument("--cutoff", type=float, default=5.0)
    parser.add_argument("--cutoff3", type=float, default=4.0, help="of the two legs of a triplet")
    parser.add_argument("--every", type=int, default=1, help="take every so many frames only")
    arguments = parser.parse_args()
    frames = ase.io.read(arguments.train, f"::{arguments.every}")
    element = frames[0].get_chemical_symbols()[0]
    pair, triplet = (element,) * 2, (element,) * 3
    legs = arguments.cutoff3
    splines = bspline.BSplineBasis(
        composition.ChemicalSystem(element_list=[element], degree=3),
        r_min_map={pair: 1.0, triplet: [1.0, 1.0, 1.0]},
        r_max_map={pair: arguments.cutoff, triplet: [legs, legs, 2 * legs]},
        resolution_map={pair: 20, triplet: [6, 6, 12]},
        leading_trim=0,
        trailing_trim=3,
    )
    coordinator = io.DataCoordinator()
    coordinator.dataframe_from_lists(
        frames,
        prefix="dft",
        energies=[frame.get_potential_energy() for frame in frames],
        forces=[frame.get_forces() for frame in frames],
    )
    table = coordinator.consolidate()
    rows = process.BasisFeaturizer(splines).evaluate(table, progress=None)
    regularizer = splines.get_regularization_matrix(
        ridge_1b=1e-8, ridge_2b=0.0, ridge_3b=1e-8, curvature_2b=1e-8, curvature_3b=1e-8
    )
    model = least_squares.WeightedLinearModel(splines, regularizer=regularizer)
    model.fit(*least_squares.dataframe_to_tuples(rows, n_elements=1), weight=0.3)
    found = least_squares.arrange_coefficients(model.coefficients, splines)
    write(arguments.out, splines, found, pair, triplet)
    print(json.dumps({"fit_cpu_s": round(sum(os.times()[:4]), 1), "shift": float(found[element])}))


def write(path: Path, splines: bspline.BSplineBasis, found: dict, pair: tuple, triplet: tuple) -> None:
    """The blocks that LAMMPS reads: knots of a triplet in the order jk, ik, ij, coefficients in that of ij, ik, jk."""
    blocks = [f"2B {' '.join(pair)} 0 3 nk", f"{splines.r_max_map[pair]} {len(splines.knots_map[pair])}"]
    blocks += [numbers(splines.knots_map[pair]), str(len(found[pair])), numbers(found[pair])]
    knots = list(reversed(splines.knots_map[triplet]))
    cutoffs = list(reversed(splines.r_max_map[triplet]))
    cube = splines.decompress_3B(found[triplet], triplet)
    more = [f"3B {' '.join(triplet)} 0 3 nk", " ".join(map(str, [*cutoffs, *map(len, knots)]))]
    more += [*map(numbers, knots), " ".join(map(str, cube.shape)), *(numbers(row) for plane in cube for row in plane)]
    path.write_text("".join(HEAD + "\n".join(block) + "\n#\n" for block in (blocks, more)))


def numbers(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{value:.17g}" for value in values)


if __name__ == "__main__":
    main()
