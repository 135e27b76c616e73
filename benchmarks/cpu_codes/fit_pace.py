"""A linear ACE for one element, fitted by least squares to the basis functions that pacemaker's library computes.

    python fit_pace.py TRAIN.xyz OUT.yace [--functions 250] [--cutoff 5.0]

Runs in an environment of its own (`pip install python-ace scikit-learn pandas`). Prints CPU seconds of the fit as JSON.

Drautz, "Atomic cluster expansion for accurate and transferable interatomic potentials" (2019).
"""

import argparse
import json
import os
import re
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
from pyace import create_multispecies_basis_config
from pyace.linearacefit import LinearACEDataset

ENERGY_WEIGHT = 30.0  # of an energy an atom, a force component has 1
RIDGE = 1e-8  # of columns scaled to a mean square of 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train")
    parser.add_argument("out", type=Path)
    parser.add_argument("--functions", type=int, default=250)
    parser.add_argument("--cutoff", type=float, default=5.0)
    arguments = parser.parse_args()
    frames = ase.io.read(arguments.train, ":")
    sizes = np.array([len(frame) for frame in frames])
    energies = np.array([frame.get_potential_energy() for frame in frames])
    shift = float((energies / sizes).mean())
    table = {
        "ase_atoms": frames,
        "energy_corrected": energies - shift * sizes,
        "forces": [frame.get_forces() for frame in frames],
    }
    data = LinearACEDataset(basis(frames[0].get_chemical_symbols()[0], arguments), pd.DataFrame(table))
    data.construct_design_matrix(max_workers=1)
    weights = np.ones(len(data.get_target_vector()))
    weights[: len(frames)] = ENERGY_WEIGHT
    rows, wanted = data.get_design_matrix() * weights[:, None], data.get_target_vector() * weights
    scale = np.sqrt(np.square(rows).mean(axis=0))
    scale[scale == 0] = 1
    rows /= scale
    normal = rows.T @ rows + RIDGE * len(rows) * np.eye(len(scale))
    data.basis.basis_coeffs = np.linalg.solve(normal, rows.T @ wanted) / scale
    data.basis.to_ACECTildeBasisSet().save_yaml(str(arguments.out))
    arguments.out.write_text(re.sub(r"E0: *\[ *0[.0]* *\]", f"E0: [{shift!r}]", arguments.out.read_text(), count=1))
    spent = sum(os.times()[:4])  # its own, and of the process that computes the basis functions
    print(json.dumps({"fit_cpu_s": round(spent, 1), "functions": len(scale)}))


def basis(element: str, arguments: argparse.Namespace) -> object:
    """Up to five bodies: what pacemaker takes by default, cut to the number of functions asked for."""
    return create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": [element],
            "embeddings": {"ALL": {"npot": "FinnisSinclairShiftedScaled", "fs_parameters": [1, 1], "ndensity": 1}},
            "bonds": {
                "ALL": {
                    "radbase": "SBessel",
                    "radparameters": [5.25],
                    "rcut": arguments.cutoff,
                    "dcut": 0.01,
                    "NameOfCutoffFunction": "cos",
                }
            },
            "functions": {
                "number_of_functions_per_element": arguments.functions,
                "ALL": {"nradmax_by_orders": [15, 6, 4, 3], "lmax_by_orders": [0, 6, 4, 2]},
            },
        }
    )


if __name__ == "__main__":
    main()
