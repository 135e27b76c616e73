"""QM9 through the package qm9pack: geometries, properties and polarizability tensors of small organic molecules."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

HARTREE, BOHR, DEBYE = 27.211386245988, 0.529177210903, 0.20819434  # eV, Å, e·Å

# our name: (column, its unit in ours)
PROPERTIES = {
    "dipole_norm": ("Dipole_debye", DEBYE),
    "homo": ("HOMO_au", HARTREE),
    "lumo": ("LUMO_au", HARTREE),
    "gap": ("HOMO_LUMO_gap_au", HARTREE),
    "r2": ("R2_bohr2", BOHR**2),
    "zpve": ("ZPVE_au", HARTREE),
    "u0": ("InternalEnergy_0K_au", HARTREE),
    "u298": ("InternalEnergy_298K_au", HARTREE),
    "h298": ("Enthalphy_298K_au", HARTREE),
    "g298": ("GibbsFreeEnergy_298K_au", HARTREE),
    "heat_capacity": ("Heatcapacity_Cv_cal_mol_K", 1.0),
}


def qm9(count: int, *, seed: int = 0, folder: Path | None = None) -> list[Atoms]:
    r"""A random choice of QM9's 130,831 molecules, labels in ``atoms.info``.

    B3LYP/6-31G(2df,p). Units: eV (homo, lumo, gap, zpve, u0, u298, h298, g298), e·Å (dipole_norm), Å^2 (r2), cal/(mol K)
    (heat_capacity), Å^3 (polarizability). Positions are about the centre of nuclear charge.

    The polarizability tensor [3, 3] is *not* in the frame of the coordinates but in the quantum program's standard one: the principal
    axes of :math:`\sum_i Z_i r_i r_i^\top`, longest first. They are the rows of ``frame``, so :math:`F^\top \alpha F` is the
    tensor by the coordinates, up to the signs of the axes (four proper choices), which the data do not tell, and but for tops whose
    ``charge_moments`` (Å^2, mean over the charge) nearly agree. Its trace needs no frame.

    Ramakrishnan, Dral, Rupp & von Lilienfeld, Scientific Data 1, 140022 (2014).

    Args:
        count: how many molecules.
        seed: of the choice.
        folder: of the CSV files, by default that of the installed package ``qm9pack``.

    Raises:
        ModuleNotFoundError: no folder is given, and qm9pack is not installed.
        ValueError: more molecules are asked for than there are.
    """
    from ase import Atoms

    if folder is None:
        found = importlib.util.find_spec("qm9pack")
        if found is None or not found.submodule_search_locations:
            raise ModuleNotFoundError(
                "QM9 comes with qm9pack, which is not installed: pip install qm9pack", name="qm9pack"
            )
        folder = Path(found.submodule_search_locations[0]) / "data"
    with open(folder / "qm9_polarizability.csv") as file:
        tensors = {row["XYZ_file"]: row for row in csv.DictReader(file)}
    if count > len(tensors):
        raise ValueError(f"expected at most {len(tensors)} molecules, the whole set; got {count}")
    names = np.array(list(tensors))
    chosen = names[np.random.default_rng(seed).choice(len(names), count, replace=False)].tolist()
    wanted, out = set(chosen), {}
    for path in sorted(folder.glob("qm9_part*.csv")):
        with open(path) as file:
            for row in csv.DictReader(file):
                if row["XYZ_file"] in wanted:
                    atoms = Atoms(json.loads(row["Elements"].replace("'", '"')), json.loads(row["XYZ_Ang"]))
                    out[row["XYZ_file"]] = _labelled(atoms, row, tensors[row["XYZ_file"]])
    return [out[name] for name in chosen]


def _labelled(atoms: Atoms, row: dict[str, str], tensor: dict[str, str]) -> Atoms:
    weights = atoms.numbers / atoms.numbers.sum()
    atoms.positions -= weights @ atoms.positions
    moments, axes = np.linalg.eigh((atoms.positions.T * weights) @ atoms.positions)
    frame = axes[:, ::-1].T
    frame[2] *= np.linalg.det(frame)
    entry = {pair: float(tensor[f"A_{pair}"]) for pair in ("xx", "xy", "xz", "yy", "yz", "zz")}
    alpha = [[entry["".join(sorted(a + b))] for b in "xyz"] for a in "xyz"]
    atoms.info = {name: unit * float(row[column]) for name, (column, unit) in PROPERTIES.items()}
    atoms.info |= {"index": int(row["Index"]), "smiles": row["SMILES"], "charge_moments": moments[::-1].copy()}
    atoms.info |= {"frame": frame, "polarizability": BOHR**3 * np.array(alpha)}
    return atoms
