"""Calculators as they come, with trained weights where their wheels have them."""

from collections.abc import Iterator

from ase.build import bulk, molecule
from ase.spacegroup import crystal

from checker_models.published.structures import Row, calculator_row

LEFT = "in a left-handed cell its volume, and so its stress, has the wrong sign"


def chgnet() -> Iterator[Row]:
    from chgnet.model.dynamics import CHGNetCalculator

    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    salt.rattle(0.08, seed=0)
    yield calculator_row(
        "CHGNet, shipped weights, NaCl", CHGNetCalculator(use_device="cpu"), salt, known="fail", why=LEFT
    )


def sevennet() -> Iterator[Row]:
    from sevenn.calculator import SevenNetCalculator

    calculator = SevenNetCalculator("7net-0", device="cpu")
    salt = bulk("NaCl", "rocksalt", a=5.64)
    salt.rattle(0.08, seed=0)
    sites = [(0.4697, 0, 0), (0.4135, 0.2669, 0.1191)]
    quartz = crystal(["Si", "O"], sites, spacegroup=152, cellpar=[4.916, 4.916, 5.405, 90, 90, 120])
    quartz.rattle(0.05, seed=0)
    why = "made without parity, it claims rotations alone"
    yield calculator_row("SevenNet-0, shipped weights, NaCl", calculator, salt, known="fail", why=why)
    why += ": left and right quartz differ"
    yield calculator_row("SevenNet-0, shipped weights, quartz", calculator, quartz, known="fail", why=why)


def calculators() -> Iterator[Row]:
    from ase.calculators.emt import EMT
    from ase.calculators.lj import LennardJones

    small = molecule("CH3CH2OH")
    small.rattle(0.05, seed=1)
    copper = bulk("Cu", cubic=True)
    copper.rattle(0.05, seed=1)
    yield calculator_row("EMT, Cu", EMT(), copper)
    yield calculator_row(
        "Lennard-Jones, cut, Cu",
        LennardJones(sigma=2, epsilon=0.1, rc=4.5),
        copper,
        known="fail",
        why="its force jumps at the cutoff",
    )
    smooth = LennardJones(sigma=2, epsilon=0.1, rc=4.5, ro=3.0, smooth=True)
    yield calculator_row("Lennard-Jones, smooth, Cu", smooth, copper)
    try:
        from tblite.ase import TBLite
    except ImportError:
        return
    yield calculator_row("tblite GFN2-xTB, ethanol", TBLite(method="GFN2-xTB", verbosity=0), small)
