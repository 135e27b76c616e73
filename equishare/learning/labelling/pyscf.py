"""Density functional theory of molecules by PySCF, as an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase import Atoms
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from ase.units import Bohr, Hartree


class PySCF(Calculator):
    """Energy and forces of a molecule in a Gaussian basis; density fitting; starts from the density before.

    Without periodic boundaries: those of a structure are an error. Restricted for a singlet, unrestricted otherwise.

    Args:
        functional: As PySCF names it: "pbe", "b3lyp", "wb97x-v"; "hf" for Hartree-Fock.
        basis: As PySCF names it: "def2-svp".
        charge: In e.
        multiplicity: 2S + 1.

    Raises:
        CalculationFailed: on calculation, if the density does not converge, or the structure is periodic.

    Sun et al., "Recent developments in the PySCF program package" (2020).
    """

    name = "pyscf"
    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (ASE's name and type)

    def __init__(self, functional: str, basis: str, charge: int = 0, multiplicity: int = 1) -> None:
        super().__init__()
        self.functional, self.basis, self.charge, self.multiplicity = functional, basis, charge, multiplicity
        self._density: Any = None
        self._numbers: tuple[int, ...] = ()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute energy and forces."""
        from pyscf import dft, gto, scf

        super().calculate(atoms, properties, system_changes)
        structure: Any = self.atoms
        if structure.pbc.any():
            raise CalculationFailed(
                "pyscf is here for molecules; for a periodic structure take gpaw, cp2k, vasp or espresso"
            )
        molecule = gto.M(
            atom=[(atom.symbol, tuple(atom.position)) for atom in structure],
            basis=self.basis,
            charge=self.charge,
            spin=self.multiplicity - 1,
            verbose=0,
        )
        if self.functional.lower() == "hf":
            method = (scf.RHF if self.multiplicity == 1 else scf.UHF)(molecule).density_fit()
        else:
            method = (dft.RKS if self.multiplicity == 1 else dft.UKS)(molecule, xc=self.functional).density_fit()
        numbers = tuple(structure.numbers.tolist())
        energy = method.kernel(dm0=self._density if numbers == self._numbers else None)
        if not method.converged:
            self._density = None
            raise CalculationFailed(f"the density did not converge in {method.max_cycle} cycles")
        self._density, self._numbers = method.make_rdm1(), numbers
        gradient = method.nuc_grad_method().kernel()
        self.results = {"energy": float(energy) * Hartree, "forces": -gradient * Hartree / Bohr}
