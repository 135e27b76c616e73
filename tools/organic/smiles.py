"""SMILES of the molecules that the organic weights learn from, by kind; none of them is one that the weights are judged by."""

from __future__ import annotations

import csv
import gzip
import hashlib
from ast import literal_eval
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from rdkit import Chem, RDLogger
from rdkit.Chem.MolStandardize import rdMolStandardize

RDLogger.DisableLog("rdApp.*")

ELEMENTS = frozenset(["H", "C", "N", "O", "F", "S", "P", "Cl", "Br"])
JUDGES = ("CC(=O)CC(C)=O", "CCO", "O=CCC=O", "O=c1cc[nH]c(=O)[nH]1")
"""Acetylacetone, ethanol, malonaldehyde and uracil: fits to their DFT frames judge the weights, so they are kept out."""
GROUPS = (
    "F Cl Br S SC SCC SS S(C)=O S(C)(=O)=O S(N)(=O)=O OS(C)(=O)=O P P(C)C P(C)(C)=O OP(=O)(O)O P(=O)(OC)OC OP(C)(C)=O O N C C=O "
    "C(=O)C C(=O)O C(N)=O C#N C#C N(C)C N=C [N+](=O)[O-] OC CC(=O)C C(F)(F)F C(Cl)Cl CBr C(=S)N N=C=O N=[N+]=[N-]"
).split()
SMALL = (
    "O N C [H][H] F Cl Br S P OO NN CO C=O CN C#N CC C=C C#C CF CCl CBr CS CP OC=O NC=O C(=O)(O)O N=C=O O=C=O S=C=O S=C=S O=S=O "
    "NO ON=O OCl OF FF ClCl BrBr FCl CSC CS(C)=O CS(C)(=O)=O COC CC#N CC=O CC(=O)O CC(N)=O CC(C)=O NC(N)=O NC(N)=S "
    "CNC CN(C)C COS(=O)(=O)OC CP(C)C CP(C)(C)=O OP(=O)(O)O COP(=O)(OC)OC OS(=O)(=O)O NS(N)(=O)=O ClC(Cl)Cl ClC(Cl)(Cl)Cl FC(F)(F)F "
    "C=CCl C=CBr C=CF c1ccccc1 c1ccncc1 c1ccsc1 c1ccoc1 c1cc[nH]c1 c1c[nH]cn1 Oc1ccccc1 Nc1ccccc1 Sc1ccccc1 Clc1ccccc1 Brc1ccccc1 "
    "Fc1ccccc1 C1CC1 C1CCCCC1 C1CCOC1 C1COCCO1 C1CCNC1 C1CO1 C1CS1 CN=[N+]=[N-] C[N+](=O)[O-] C=[N+]=[N-] CC(=O)OC "
    "CC(=O)NC C=CC=C C=CC=O C=CC#N OCCO OCC(O)CO NCCO NCC(=O)O CC(O)C(=O)O SCC(N)C(=O)O O=Cc1ccccc1 N#Cc1ccccc1"
).split()
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
IONS = {  # a part of a molecule, and what it becomes
    "[CX3](=O)[OX2H1]": -1,
    "[NX3;H2,H1,H0;!$(N-[C,S,N]=[O,N,S]);!$(N-a);!$(N#*)]": +1,
    "[c][OX2H1]": -1,
    "[SX2H1]": -1,
    "[nX2]": +1,
}


def part_of(smiles: str) -> str:
    """``test``, ``valid`` or ``train``: a hash decides, so a molecule is in the same part however it was made.

    Tautomers of the molecules that judge the weights are in the test part.
    """
    if smiles in _judges():
        return "test"
    number = int(hashlib.md5(smiles.encode()).hexdigest(), 16) % 100
    return "test" if number == 0 else "valid" if number < 3 else "train"


def read_molecules(file: Path) -> list[Atoms]:
    """Geometries with their SMILES; that of HF is F, which extended XYZ takes for a truth value."""
    molecules: list[Atoms] = list(ase.io.iread(file))
    for atoms in molecules:
        if atoms.info["smiles"] is False:
            atoms.info["smiles"] = "F"
    return molecules


def canonical(smiles: str) -> str | None:
    """Canonical SMILES without stereo marks; None if it is no closed-shell molecule of the elements."""
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or "." in smiles:
        return None
    for atom in molecule.GetAtoms():
        if atom.GetSymbol() not in ELEMENTS or atom.GetNumRadicalElectrons() or atom.GetIsotope():
            return None
    return str(Chem.MolToSmiles(molecule, isomericSmiles=False))


_JUDGES: set[str] = set()


def _judges() -> set[str]:
    if not _JUDGES:
        enumerator = rdMolStandardize.TautomerEnumerator()
        for smiles in JUDGES:
            found = enumerator.Enumerate(Chem.MolFromSmiles(smiles))
            _JUDGES.update(Chem.MolToSmiles(molecule, isomericSmiles=False) for molecule in found)
    return _JUDGES


def qm9(folder: Path, count: int, rng: np.random.Generator) -> Iterator[tuple[str, list[str], list[list[float]]]]:
    """(SMILES, symbols, positions in Å) of QM9: every molecule of up to six heavy atoms, and a random choice of the others."""
    rows = []
    for path in sorted(folder.glob("qm9_part*.csv")):
        with open(path) as file:
            rows += [(row["SMILES"], row["Elements"], row["XYZ_Ang"]) for row in csv.DictReader(file)]
    heavy = [elements.count("'") // 2 - elements.count("'H'") for _, elements, _ in rows]
    small = [row for row, n in zip(rows, heavy, strict=True) if n <= 6]
    large = [row for row, n in zip(rows, heavy, strict=True) if n > 6]
    for k in rng.permutation(len(large))[: max(count - len(small), 0)]:
        small.append(large[k])
    for smiles, elements, positions in small[:count]:
        found = canonical(smiles)
        if found is not None:
            yield found, literal_eval(elements), literal_eval(positions)  # "0." is no JSON


def drugs(file: Path, rng: np.random.Generator) -> Iterator[str]:
    """Drug-like molecules of MOSES (a choice from ZINC), in random order."""
    with gzip.open(file, "rt") as lines:
        rows = lines.read().split()[1:]
    for k in rng.permutation(len(rows)):
        found = canonical(rows[k])
        if found is not None:
            yield found


def fragments(smiles: Iterator[str], rng: np.random.Generator, heavy: tuple[int, int]) -> Iterator[str]:
    """A connected part of each molecule, with hydrogen where bonds were cut; rings stay whole."""
    for each in smiles:
        molecule = Chem.MolFromSmiles(each)
        size = int(rng.integers(heavy[0], heavy[1] + 1))
        rings = [set(ring) for ring in molecule.GetRingInfo().AtomRings()]
        chosen = _with_rings({int(rng.integers(molecule.GetNumAtoms()))}, rings)
        while len(chosen) < size:
            beside = [n.GetIdx() for k in chosen for n in molecule.GetAtomWithIdx(k).GetNeighbors()]
            beside = sorted(set(beside) - chosen)
            if not beside:
                break
            chosen = _with_rings(chosen | {beside[int(rng.integers(len(beside)))]}, rings)
        if len(chosen) > heavy[1]:
            continue
        kept = Chem.MolFragmentToSmiles(molecule, atomsToUse=sorted(chosen), isomericSmiles=False)
        found = canonical(kept)
        if found is not None:
            yield found


def _with_rings(chosen: set[int], rings: list[set[int]]) -> set[int]:
    grown = set(chosen)
    while True:
        more = set().union(grown, *(ring for ring in rings if ring & grown))
        if more == grown:
            return grown
        grown = more


def decorated(smiles: Iterator[str], rng: np.random.Generator) -> Iterator[str]:
    """Each molecule with one to three of its hydrogens replaced by functional groups."""
    for each in smiles:
        molecule = Chem.RWMol(Chem.MolFromSmiles(each))
        for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))):
            places = [a.GetIdx() for a in molecule.GetAtoms() if a.GetTotalNumHs() > 0 and a.GetSymbol() == "C"]
            if not places:
                break
            group = Chem.MolFromSmiles(GROUPS[int(rng.integers(len(GROUPS)))])
            place, first = places[int(rng.integers(len(places)))], molecule.GetNumAtoms()
            molecule = Chem.RWMol(Chem.CombineMols(molecule, group))
            molecule.AddBond(place, first, Chem.BondType.SINGLE)
            for k in (place, first):
                atom = molecule.GetAtomWithIdx(k)
                atom.SetNumExplicitHs(max(0, atom.GetNumExplicitHs() - 1))
            if Chem.SanitizeMol(molecule, catchErrors=True):
                break
        found = canonical(Chem.MolToSmiles(molecule))
        if found is not None:
            yield found


def tautomers(smiles: Iterator[str], rng: np.random.Generator) -> Iterator[str]:
    """A tautomer of each molecule that has one: enols, imidic acids, and so on."""
    enumerator = rdMolStandardize.TautomerEnumerator()
    enumerator.SetMaxTautomers(20)
    enumerator.SetMaxTransforms(50)
    for each in smiles:
        found = [Chem.MolToSmiles(m, isomericSmiles=False) for m in enumerator.Enumerate(Chem.MolFromSmiles(each))]
        others = sorted(set(found) - {each})
        if others and (chosen := canonical(others[int(rng.integers(len(others)))])) is not None:
            yield chosen


def ions(smiles: Iterator[str], rng: np.random.Generator) -> Iterator[str]:
    """Each molecule with a proton taken from an acid or given to a base; zwitterions where it has both, now and then."""
    patterns = [(Chem.MolFromSmarts(smarts), charge) for smarts, charge in IONS.items()]
    for each in smiles:
        molecule = Chem.RWMol(Chem.MolFromSmiles(each))
        places = [
            (match[-1] if charge < 0 else match[0], charge)
            for p, charge in patterns
            for match in molecule.GetSubstructMatches(p)
        ]
        both = len({charge for _, charge in places}) == 2 and rng.random() < 0.3
        if not places:
            continue
        rng.shuffle(places)
        chosen = [places[0]] + ([next(p for p in places if p[1] != places[0][1])] if both else [])
        for place, charge in chosen:
            atom = molecule.GetAtomWithIdx(int(place))
            hydrogens = atom.GetTotalNumHs()
            atom.SetFormalCharge(int(charge))
            atom.SetNoImplicit(True)
            atom.SetNumExplicitHs(hydrogens + int(charge))
        if Chem.SanitizeMol(molecule, catchErrors=True):
            continue
        found = canonical(Chem.MolToSmiles(molecule))
        if found is not None:
            yield found


def peptides() -> Iterator[str]:
    """Amino acids, each of them capped, and dipeptides with glycine and alanine."""
    sequences = [*RESIDUES, *("".join(pair) for pair in product("GA", RESIDUES))]
    for sequence in sequences:
        plain = Chem.MolToSmiles(Chem.MolFromSequence(sequence), isomericSmiles=False)
        found = canonical(plain)
        if found is not None:
            yield found
        if len(sequence) == 1 and (capped := _capped(Chem.MolFromSmiles(plain))) is not None:
            yield capped


def _capped(molecule: Chem.Mol) -> str | None:
    """An amino acid with its amine acetylated and its acid made a methylamide."""
    backbone = molecule.GetSubstructMatch(Chem.MolFromSmarts("[OX2H1]C(=O)[CX4][NX3;H1,H2]"))
    if not backbone:
        return None
    hydroxyl, amine = backbone[0], backbone[-1]
    capped = Chem.RWMol(
        Chem.CombineMols(Chem.CombineMols(molecule, Chem.MolFromSmiles("C")), Chem.MolFromSmiles("C(C)=O"))
    )
    capped.GetAtomWithIdx(hydroxyl).SetAtomicNum(7)
    capped.AddBond(hydroxyl, molecule.GetNumAtoms(), Chem.BondType.SINGLE)
    capped.AddBond(amine, molecule.GetNumAtoms() + 1, Chem.BondType.SINGLE)
    return None if Chem.SanitizeMol(capped, catchErrors=True) else canonical(Chem.MolToSmiles(capped))
