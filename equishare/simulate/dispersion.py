"""Dispersion that a density functional leaves out."""

from typing import TYPE_CHECKING

from equishare.errors import EquishareError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator


class DispersionError(EquishareError):
    """There is no dispersion to add."""


def d3(functional: str) -> "Calculator":
    """ASE calculator of Grimme's D3 dispersion with Becke-Johnson damping, two- and three-body, for a functional.

    A term with parameters of its own that reaches far beyond a potential's cutoff. Add it to a potential whose training data were
    computed *without* dispersion; where the data hold it, the potential has learnt its short-ranged part already, and it would count
    twice. The package ``dftd3`` (simple-dftd3) computes it.

    Args:
        functional: Such as "pbe", "b3lyp", "r2scan".

    Raises:
        DispersionError: if the package is not installed, or has no parameters for the functional.

    Grimme, Ehrlich and Goerigk, "Effect of the damping function in dispersion corrected density functional theory" (2011).

    >>> from ase.build import molecule
    >>> d3("pbe").get_potential_energy(molecule("CH4")) < 0  # doctest: +SKIP
    True
    """
    try:
        from dftd3.ase import DFTD3
        from dftd3.interface import RationalDampingParam
    except ImportError as error:
        raise DispersionError(
            "D3 dispersion needs the package dftd3: pip install dftd3, or pip install 'equishare[dispersion]'"
        ) from error
    try:
        RationalDampingParam(method=functional)
    except RuntimeError as error:
        raise DispersionError(
            f"D3(BJ) has no parameters for the functional {functional!r}; expected one such as pbe, b3lyp or r2scan"
        ) from error
    return DFTD3(method=functional, damping="d3bj")
