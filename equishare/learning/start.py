"""Where learning starts: structures, files, or a SMILES."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence

import numpy as np
from ase import Atoms

from equishare.atoms.neighbours import check_structure
from equishare.atoms.reading import frames_of, read_unlabelled
from equishare.atoms.source import FrameReadError, Source
from equishare.learning.settings import LearnError

Start = str | os.PathLike[str] | Atoms | Sequence[Atoms]


def read_start(start: Start) -> list[Atoms]:
    """The structures: of a file its last frame (``FILE@3`` frame 3, ``FILE@:8`` the first eight), or one made from a SMILES by RDKit.

    What is kept is the geometry, and charge and spin.

    Raises:
        LearnError: if it is none of these, or no structure to label.

    >>> read_start("ethanol@-1")[0].symbols
    Symbols('C2OH6')
    """
    if isinstance(start, Atoms):
        found = [start]
    elif isinstance(start, (str, os.PathLike)):
        found = _of_text(os.fspath(start))
    else:
        found = list(start)
    if not found or not all(isinstance(atoms, Atoms) for atoms in found):
        raise LearnError(f"expected a structure, a file of structures or a SMILES, got {start!r:.60}")
    kept = []
    for atoms in found:
        if len(atoms) < 2:
            raise LearnError(f"expected structures of two atoms at least, got {atoms.symbols}")
        check_structure(atoms)
        image = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        image.info = dict(frames_of([atoms.copy()])[0].conditions)
        kept.append(image)
    return kept


def _of_text(text: str) -> list[Atoms]:
    try:
        whole = Source.of(text).selection == slice(None)
        frames = read_unlabelled([text])
        return [frame.atoms for frame in (frames[-1:] if whole else frames)]
    except FrameReadError as error:
        if os.path.exists(text) or (os.sep in text and os.path.splitext(text)[1]):
            raise
        return [_of_smiles(text, error)]


def _of_smiles(text: str, error: FrameReadError) -> Atoms:
    if importlib.util.find_spec("rdkit") is None:
        raise LearnError(f"{error}; if it is a SMILES, it needs RDKit: pip install rdkit") from None
    from rdkit import Chem, RDLogger
    from rdkit.Chem import AllChem

    RDLogger.DisableLog("rdApp.*")
    molecule = Chem.MolFromSmiles(text)
    if molecule is None:
        raise LearnError(f"{text!r} is neither a file that can be read ({error}) nor a SMILES") from None
    molecule = Chem.AddHs(molecule)
    if AllChem.EmbedMolecule(molecule, randomSeed=0) != 0:
        raise LearnError(f"RDKit finds no geometry for the SMILES {text!r}; give a file")
    AllChem.MMFFOptimizeMolecule(molecule)
    symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    atoms = Atoms(symbols, np.array(molecule.GetConformer().GetPositions()))
    atoms.info["charge"] = Chem.GetFormalCharge(molecule)
    return atoms
