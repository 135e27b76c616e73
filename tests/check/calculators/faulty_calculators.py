"""A pair potential with one mistake at a time."""

import threading

import numpy as np
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

CUTOFF = 3.2


def ethanol():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    return atoms


def crystal():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


class Pairs(Calculator):
    """sum of (1 - r/rc)^3 exp(-r) over pairs within rc, with forces and stress, and perhaps a mistake."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, mistake=""):
        super().__init__()
        self.mistake = mistake

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        r, mistake, n = atoms.positions, self.mistake, len(atoms)
        self.results = self.pair_terms(atoms)
        energy, forces = self.results["energy"], self.results["forces"]
        if mistake == "field":
            self.results["energy"] = energy + 0.1 * np.sin(r[:, 2] - r[:, 2].mean()).sum()
            cosine = np.cos(r[:, 2] - r[:, 2].mean())
            forces[:, 2] -= 0.1 * (cosine - cosine.mean())
        elif mistake == "handed":
            a, b, c = r[1] - r[0], r[2] - r[0], r[3] - r[0]
            self.results["energy"] = energy + 0.01 * np.dot(np.cross(a, b), c)
            grad = np.zeros((n, 3))
            grad[1], grad[2], grad[3] = np.cross(b, c), np.cross(c, a), np.cross(a, b)
            grad[0] = -grad.sum(0)
            forces -= 0.01 * grad
        elif mistake == "origin":
            self.results["energy"] = energy + 0.01 * np.square(r).sum()
            forces -= 0.02 * r
        elif mistake == "first":
            forces[0] *= 1.01
        elif mistake == "offset":
            self.results["energy"] = energy + 1.0
        elif mistake == "mean":
            self.results["energy"] = energy / n
            forces /= n
        elif mistake == "slope":
            forces *= 1.02
        elif mistake == "curl":
            forces += 0.5 * np.cross(forces, r - r.mean(0))
        elif mistake == "pressure":
            self.results["stress"] = -self.results["stress"]
        elif mistake == "single":
            self.results = {k: np.asarray(v, dtype=np.float32).astype(np.float64) for k, v in self.results.items()}
        elif mistake == "nan":
            forces[0, 0] = np.nan

    def pair_terms(self, atoms):
        i, j, d, D = neighbor_list("ijdD", atoms, CUTOFF)
        if self.mistake == "images":
            inside = np.linalg.norm(atoms.positions[j] - atoms.positions[i] - D, axis=1) < 1e-9
            i, j, d, D = i[inside], j[inside], d[inside], D[inside]
        x = 1 - d / CUTOFF
        power = 0 if self.mistake == "step" else 1 if self.mistake == "kink" else 3
        energy = x**power * np.exp(-d)
        slope = -np.exp(-d) * (x**power + (power * x ** (power - 1) / CUTOFF if power else 0))
        pull = (slope / d)[:, None] * D
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, pull)
        results = {"energy": energy.sum() / 2, "forces": forces}
        if atoms.cell.rank == 3:
            virial = 0.5 * np.einsum("ka,kb->ab", pull, D) / atoms.get_volume()
            results["stress"] = virial.ravel()[[0, 4, 8, 5, 2, 1]]
        return results


class Rich(Pairs):
    """The same with energies, charges, dipole, heat flux and uncertainties, and perhaps a mistake in one of them."""

    implemented_properties = (
        *Pairs.implemented_properties,
        "energies",
        "charges",
        "dipole",
        "heat_flux",
        "energy_uncertainty",
        "forces_uncertainty",
    )

    def __init__(self, mistake=""):
        super().__init__()
        self.flaw = mistake

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        r, flaw, n = atoms.positions, self.flaw, len(atoms)
        i, j, d, D = neighbor_list("ijdD", atoms, CUTOFF)
        energies = np.zeros(n)
        np.add.at(energies, i, (1 - d / CUTOFF) ** 3 * np.exp(-d) / 2)
        charges = np.zeros(n)
        np.add.at(charges, i, 0.1 * (1 - d / CUTOFF) ** 3 * np.sign(atoms.numbers[j] - atoms.numbers[i]))
        charges += atoms.get_initial_charges()
        flux = energies @ atoms.get_velocities()
        spread = energies**2
        if flaw == "energies":
            energies = energies * 1.001
        elif flaw == "charges leak":
            charges = charges + 1e-3 * energies
        elif flaw == "charges turn":
            np.add.at(charges, i, 1e-3 * np.tanh(D[:, 2]))
        elif flaw == "flux":
            flux = flux + np.array([1e-3, 0, 0])
        elif flaw == "even flux":
            flux = flux * np.sign(flux.sum())
        elif flaw == "uncertainty":
            spread = spread + 1e-3 * np.abs(self.results["forces"][:, 0])
        dipole = charges @ (r - r.mean(0) if flaw == "centred" else r)
        if flaw == "dipole moves":
            dipole = dipole + 0.01 * r.sum(0)
        elif flaw == "dipole turns":
            dipole = dipole + np.array([0.0, 0.0, 1e-3])
        self.results |= {
            "energies": energies,
            "charges": charges,
            "dipole": dipole,
            "heat_flux": flux,
            "energy_uncertainty": float(spread.sum()),
            "forces_uncertainty": spread,
        }


class Scattering(Pairs):
    """Random, or with a memory; `size` in eV and eV/Å."""

    def __init__(self, kind, size):
        super().__init__()
        self.kind, self.size, self.last = kind, size, 0.0
        self.generator = np.random.default_rng(0)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy, forces = self.results["energy"], self.results["forces"]
        if self.kind == "random energy":
            energy = energy + self.size * self.generator.standard_normal()
        elif self.kind == "random forces":
            forces = forces + self.size * self.generator.standard_normal(forces.shape)
        elif self.kind == "hashed":
            seed = hash(atoms.positions.tobytes()) % 2**32
            energy = energy + self.size * np.random.default_rng(seed).standard_normal()
        elif self.kind == "memory":
            energy, self.last = energy + self.size * self.last, energy
        elif self.kind == "stops early":
            # an iteration that starts from the last solution and goes nine tenths of the way
            forces = forces + self.size * (self.last - energy)
            self.last = energy
        self.results |= {"energy": energy, "forces": forces}


class Unlike(Pairs):
    """Gives other numbers once it was pickled, or in another thread."""

    def __init__(self, where):
        super().__init__()
        self.where, self.slip = where, 0.0
        self.thread = threading.get_ident()

    def __getstate__(self):
        return {**self.__dict__, "slip": 1e-3 * (self.where == "pickle")}

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        elsewhere = self.where == "thread" and threading.get_ident() != self.thread
        self.results["energy"] += self.slip + 1e-3 * elsewhere
