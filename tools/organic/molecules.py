"""Draw the molecules that the organic weights learn from, and a geometry of each.

``python tools/organic/molecules.py FOLDER --moses train.csv.gz`` writes ``FOLDER/molecules/KIND.xyz``, a file a kind; kinds whose file is there are left
alone, so it can be stopped and started again. Needs rdkit and qm9pack.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import ase.io
import numpy as np
import smiles as sources
from ase import Atoms
from ase.data import covalent_radii
from rdkit import Chem
from rdkit.Chem import AllChem

from equishare.files import replacing

COUNTS = {
    "small": 110,
    "qm9": 6400,
    "fragment": 6000,
    "decorated": 5200,
    "tautomer": 1500,
    "ion": 2200,
    "peptide": 320,
    "drug": 900,
    "dimer": 2600,
    "cluster": 600,
}


def embedded(smiles: str, seed: int) -> Atoms | None:
    """A conformer by RDKit (ETKDG, then MMFF94); None where that fails."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    options = AllChem.ETKDGv3()
    options.randomSeed, options.maxIterations = seed, 20
    if AllChem.EmbedMolecule(molecule, options) != 0:
        return None
    if AllChem.MMFFHasAllMoleculeParams(molecule):
        AllChem.MMFFOptimizeMolecule(molecule, maxIters=200)
    else:
        AllChem.UFFOptimizeMolecule(molecule, maxIters=200)
    atoms = Atoms([a.GetSymbol() for a in molecule.GetAtoms()], molecule.GetConformer().GetPositions())
    atoms.info = {"smiles": smiles, "charge": Chem.GetFormalCharge(molecule)}
    return atoms


def placed(parts: list[Atoms], rng: np.random.Generator) -> Atoms | None:
    """Molecules turned at random, each moved towards those before until its closest atoms nearly touch."""
    whole = _turned(parts[0], rng)
    for part in parts[1:]:
        part, direction = _turned(part, rng), rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        # of the sum of covalent radii: 1.7 is a hydrogen bond, 3 is beyond contact
        wanted = rng.uniform(1.5, 3.2) if rng.random() < 0.7 else rng.uniform(3.0, 5.0)
        centre = whole.positions[rng.integers(len(whole))]
        for distance in np.arange(15.0, 0.0, -0.1):
            moved = part.copy()
            moved.positions += centre + distance * direction
            ratios = np.linalg.norm(whole.positions[:, None] - moved.positions[None], axis=2)
            ratios /= covalent_radii[whole.numbers][:, None] + covalent_radii[moved.numbers][None]
            if ratios.min() < wanted:
                break
        else:
            return None
        whole += moved
    whole.info = {
        "smiles": ".".join(part.info["smiles"] for part in parts),
        "charge": sum(part.info["charge"] for part in parts),
    }
    return whole


def _turned(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    turned, (q, r) = atoms.copy(), np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    q[:, 0] *= np.linalg.det(q)
    turned.positions = (turned.positions - turned.positions.mean(0)) @ q.T
    return turned


class Drawing:
    """One kind after another, each from a generator of its own."""

    def __init__(self, folder: Path, moses: Path, qm9: Path) -> None:
        self.folder, self.moses, self.qm9 = folder, moses, qm9
        self.rng = np.random.default_rng(0)

    def of_kind(self, kind: str) -> Iterator[Atoms]:
        """Geometries; the generator may go on beyond the number wanted."""
        self.rng = rng = np.random.default_rng([7, list(COUNTS).index(kind)])
        draw: Callable[[], Iterator[str]]
        if kind == "qm9":
            for smiles, symbols, positions in sources.qm9(self.qm9, COUNTS[kind], rng):
                charge = Chem.GetFormalCharge(Chem.MolFromSmiles(smiles))
                yield Atoms(symbols, positions, info={"smiles": smiles, "charge": charge})
            return
        if kind in ("dimer", "cluster"):
            yield from self._complexes(kind)
            return
        draw = {
            "small": lambda: iter(sources.SMALL * 2),
            "fragment": lambda: sources.fragments(sources.drugs(self.moses, rng), rng, (4, 12)),
            "decorated": lambda: sources.decorated(self._few(), rng),
            "tautomer": lambda: sources.tautomers(self._few(), rng),
            "ion": lambda: sources.ions(sources.decorated(self._few(), rng), rng),
            "peptide": lambda: (s for _ in range(4) for s in sources.peptides()),
            "drug": lambda: (s for s in sources.drugs(self.moses, rng) if s.count("C") + s.count("c") <= 17),
        }[kind]
        yield from self._embedded(draw(), again=kind in ("peptide", "small"))

    def _few(self) -> Iterator[str]:
        """Molecules of a few heavy atoms: of QM9, fragments of drugs, and the small ones."""
        of_qm9 = (s for s, *_ in sources.qm9(self.qm9, 20_000, self.rng))
        of_drugs = sources.fragments(sources.drugs(self.moses, self.rng), self.rng, (3, 9))
        while True:
            yield next(of_qm9)
            yield next(of_drugs)
            yield next(of_drugs)
            yield sources.SMALL[int(self.rng.integers(4, len(sources.SMALL)))]

    def _embedded(self, smiles: Iterator[str], again: bool) -> Iterator[Atoms]:
        seen: set[str] = set()
        for each in smiles:
            found = sources.canonical(each)
            if found is None or (found in seen and not again):
                continue
            seen.add(found)
            atoms = embedded(found, int(self.rng.integers(2**31)))
            if atoms is not None and len(atoms) > 1:
                yield atoms

    def _complexes(self, kind: str) -> Iterator[Atoms]:
        files = ("small", "qm9", "fragment", "ion", "decorated")
        pool = [atoms for name in files for atoms in sources.read_molecules(self.folder / f"{name}.xyz")]
        limit = 14 if kind == "dimer" else 6
        pool = [a for a in pool if len(a) <= limit and sources.part_of(a.info["smiles"]) == "train"]
        usual = [a for a in pool if a.info["smiles"] in {"O", "N", "CO", "NC=O", "C=O", "F", "Cl", "S", "OC=O"}]
        while True:
            size = 2 if kind == "dimer" else int(self.rng.integers(3, 6))
            chosen = [(usual if self.rng.random() < 0.35 else pool) for _ in range(size)]
            parts = [some[int(self.rng.integers(len(some)))] for some in chosen]
            if sum(part.info["charge"] != 0 for part in parts) > 1:
                continue  # a pair of ions is bound by what no cutoff sees
            atoms = placed(parts, self.rng)
            if atoms is not None:
                yield atoms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--moses", type=Path, required=True, help="train.csv.gz of the package molsets")
    given = parser.parse_args()
    spec = importlib.util.find_spec("qm9pack")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pip install qm9pack")
    folder = given.folder / "molecules"
    folder.mkdir(parents=True, exist_ok=True)
    drawing = Drawing(folder, given.moses, Path(spec.submodule_search_locations[0]) / "data")
    for kind, count in COUNTS.items():
        file = folder / f"{kind}.xyz"
        if file.exists():
            continue
        found = list(islice(drawing.of_kind(kind), count))
        for number, atoms in enumerate(found):
            atoms.info |= {"kind": kind, "number": number}
        with replacing(file) as beside:
            ase.io.write(beside, found, format="extxyz")
        sizes = [len(atoms) for atoms in found]
        print(
            f"{kind}: {len(found)} molecules of {np.mean(sizes):.1f} atoms on average, {max(sizes)} at most", flush=True
        )


if __name__ == "__main__":
    main()
