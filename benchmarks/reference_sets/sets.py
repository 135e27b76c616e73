"""Sets of frames that others published errors of, and how those are measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Reference:
    """An error to compare with.

    Attributes:
        metric: Name of the error in an evaluation.
        value: The error, in the unit shown.
        unit: Of the value; the evaluation's errors are in eV and Å, a thousandth of it.
        source: Whose it is.
    """

    metric: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True)
class ReferenceSet:
    """Frames to train on and to judge by.

    Attributes:
        train: Files below the data folder, or a bundled set.
        valid: Fraction of them that chooses.
        test: File that judges and chooses nothing.
        energy: What to compare the energy with.
        forces: What to compare the forces with.
        random: How many frames there are, if any first of them are a fair sample; else 0.
        scored: Whether it is part of the score; a set without anybody's figures is not.
    """

    title: str
    train: tuple[str, ...]
    valid: float
    test: str
    energy: Reference
    forces: Reference
    random: int = 0
    scored: bool = True

    def files(self, data: Path, names: tuple[str, ...]) -> list[str]:
        """Where files are; a bundled set has no folder and stays a name."""
        return [str(data / name) if "/" in name else name for name in names]


def _molecule(name: str, energy: float, forces: float) -> ReferenceSet:
    source = "MACE, Batatia et al. 2022"
    return ReferenceSet(
        title=f"rMD17 {name}, 950 + 50 frames, MAE",
        train=(f"rmd17/{name}_train.xyz",),
        valid=0.05,
        test=f"rmd17/{name}_test.xyz",
        energy=Reference("energy_mae", energy, "meV", source),
        forces=Reference("forces_mae", forces, "meV/Å", source),
        random=1000,
    )


OWN = "equishare before, 20 min of a core"
SETS: dict[str, ReferenceSet] = {
    "acac": ReferenceSet(
        title="acetylacetone 300 K, 450 + 50 frames, RMSE",
        train=("acac/train_300K.xyz", "acac/isolated_atoms.xyz"),
        valid=0.1,
        test="acac/test_MD_300K.xyz",
        energy=Reference("energy_rmse", 0.9, "meV", "MACE, Batatia et al. 2022"),
        forces=Reference("forces_rmse", 5.1, "meV/Å", "MACE, Batatia et al. 2022"),
    ),
    "lithium": ReferenceSet(
        title="lithium, MAE",
        train=("mlearn_li/train.xyz",),
        valid=0.1,
        test="mlearn_li/test.xyz",
        energy=Reference("energy_mae_per_atom", 0.49, "meV/atom", "MTP and GAP, Zuo et al. 2020"),
        forces=Reference("forces_mae", 10.0, "meV/Å", "MTP and GAP, Zuo et al. 2020"),
    ),
    "molybdenum": ReferenceSet(
        title="molybdenum, MAE",
        train=("mlearn_mo/train.xyz",),
        valid=0.1,
        test="mlearn_mo/test.xyz",
        energy=Reference("energy_mae_per_atom", 2.24, "meV/atom", "GAP, Zuo et al. 2020"),
        forces=Reference("forces_mae", 90.0, "meV/Å", "GAP and MTP, Zuo et al. 2020"),
    ),
    "ethanol": _molecule("ethanol", 0.4, 2.1),
    "malonaldehyde": _molecule("malonaldehyde", 0.8, 5.0),
    "uracil": _molecule("uracil", 0.5, 2.8),
    "water": ReferenceSet(
        title="water, 64 molecules, RMSE",
        train=("water/train.xyz",),
        valid=0.1,
        test="water/test.xyz",
        energy=Reference("energy_rmse_per_atom", 0.11, "meV/atom", OWN),
        forces=Reference("forces_rmse", 13.1, "meV/Å", OWN),
    ),
    "dry_ice": ReferenceSet(
        title="dry ice (bundled, GFN2-xTB), RMSE",
        train=("dry_ice",),
        valid=0.1,
        test="dry_ice_test",
        energy=Reference("energy_rmse_per_atom", float("nan"), "meV/atom", "nobody's"),
        forces=Reference("forces_rmse", float("nan"), "meV/Å", "nobody's"),
        scored=False,
    ),
}
