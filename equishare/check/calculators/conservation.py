"""Laws of charges, dipoles, energies of atoms and heat flux."""

import numpy as np

from equishare.check.calculators.comparison import ENERGY_TOLERANCE
from equishare.check.calculators.evaluator import Evaluator, rms
from equishare.check.calculators.noise import NoiseLevel
from equishare.check.calculators.properties import KINDS
from equishare.check.reports.calculator_report import PhysicsTest, judged


def conservation_tests(evaluate: Evaluator, noise: NoiseLevel, seed: int) -> list[PhysicsTest]:
    """Return a row for each law of the further properties that the calculator gives."""
    further = evaluate.base.further
    rows = []
    if "energies" in further:
        rows.append(_energies_add_up(evaluate, noise))
    if "charges" in further:
        rows.append(_charge_is_conserved(evaluate, noise, seed))
    if "dipole" in further and not evaluate.atoms.pbc.any():
        rows.append(_dipole_law(evaluate, noise, seed))
    if "heat_flux" in further:
        rows.append(_heat_flux_turns_round(evaluate, noise))
    return rows


def _energies_add_up(evaluate: Evaluator, noise: NoiseLevel) -> PhysicsTest:
    """The energies of the atoms add up to the energy."""
    base, n = evaluate.base, len(evaluate.atoms)
    energies = {base.energy, float(base.further.get("energy at zero smearing", base.energy))}
    error = min(abs(float(base.further["energies"].sum()) - e) for e in energies)
    floor = max(noise.energy, np.sqrt(n) * noise.further["energies"])
    return judged("energies add up", "energies", error / n, floor / n, ENERGY_TOLERANCE, "eV/atom")


def _charge_is_conserved(evaluate: Evaluator, noise: NoiseLevel, seed: int) -> PhysicsTest:
    """The sum of the charges does not change when atoms move."""
    other = evaluate.atoms.copy()
    other.positions += 0.1 * np.random.default_rng(seed).standard_normal(other.positions.shape)
    total, moved = (float(r.further["charges"].sum()) for r in (evaluate.base, evaluate(other)))
    floor = np.sqrt(len(other)) * noise.further["charges"]
    note = f"{total:.6f} e, and {moved:.6f} e where atoms have moved"
    return judged(
        "charge conservation", "charges", abs(total - moved), floor, KINDS["charges"].tolerance, "e", note=note
    )


def _dipole_law(evaluate: Evaluator, noise: NoiseLevel, seed: int) -> PhysicsTest:
    """A molecule that moves by t changes its dipole by Q t, or by nothing where it is taken about its own centre."""
    t = 3 * np.random.default_rng(seed).standard_normal(3)
    moved = evaluate.atoms.copy()
    moved.positions += t
    base = evaluate.base.further
    charge = float(base["charges"].sum()) if "charges" in base else float(evaluate.atoms.get_initial_charges().sum())
    change = evaluate(moved).further["dipole"] - base["dipole"]
    error = min(rms(change), rms(change - charge * t))
    floor = noise.further["dipole"] + noise.further.get("charges", 0.0) * float(np.linalg.norm(t))
    note = f"the charge is {charge:.6f} e"
    return judged("dipole under translation", "dipole", error, floor, KINDS["dipole"].tolerance, "e·Å", note=note)


def _heat_flux_turns_round(evaluate: Evaluator, noise: NoiseLevel) -> PhysicsTest:
    """The heat flux is odd in the velocities: J(r, -v) = -J(r, v)."""
    back = evaluate.atoms.copy()
    back.set_momenta(-evaluate.atoms.get_momenta())
    evaluate.forget()
    error = rms(evaluate(back).further["heat_flux"] + evaluate.base.further["heat_flux"])
    kind = KINDS["heat_flux"]
    return judged("time reversal", "heat_flux", error, noise.further["heat_flux"], kind.tolerance, kind.unit)
