"""Methods that label, good and bad, for processes that import this module."""

import os
import time
from pathlib import Path

import numpy as np
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from ase.calculators.emt import EMT


def good():
    """Fast, and right."""
    return EMT()


class Trouble(EMT):
    """EMT that has some trouble with every tenth structure, told by its positions, so that it does not depend on the order."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.converged = True

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if int(1e5 * abs(atoms.positions).sum()) % 10:
            return
        if self.kind == "raises":
            raise CalculationFailed("the moon is in the wrong house")
        if self.kind == "hangs":
            time.sleep(1000)
        if self.kind == "is not finite":
            self.results["forces"] = np.full((len(atoms), 3), np.nan)
        if self.kind == "does not converge":
            self.converged = False
        if self.kind == "dies":
            os._exit(7)


def raises():
    return Trouble("raises")


def hangs():
    return Trouble("hangs")


def not_finite():
    return Trouble("is not finite")


def unconverged():
    return Trouble("does not converge")


def dies():
    return Trouble("dies")


def of_the_first_generation():
    """GFN1-xTB: dear, for the purpose, and near to GFN2-xTB."""
    from tblite.ase import TBLite

    return TBLite(method="GFN1-xTB", verbosity=0)


def never():
    """Fails on everything."""
    return Broken()


class Broken(Calculator):
    """Fails."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        raise CalculationFailed("no licence")


def cannot_be_made():
    raise RuntimeError("no such basis")


class Counted(EMT):
    """EMT that takes its time, and writes down every structure that it has finished."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        time.sleep(0.02)
        super().calculate(atoms, properties, system_changes)
        with open(Path(os.environ["EQUISHARE_TEST_CALLS"]), "a") as file:
            file.write(f"{atoms.positions.round(6).tobytes().hex()[:64]}\n")


def counted():
    return Counted()


def nothing():
    return None


def ends():
    os._exit(3)


by_lambda = lambda: EMT()  # noqa: E731
