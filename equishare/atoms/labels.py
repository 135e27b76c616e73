"""Energy, forces, stress and dipole in ASE's objects: found under the field's usual names or those given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from equishare.errors import EquishareError

__all__ = ["LabelError", "LabelKeys", "read_labels"]


class LabelError(EquishareError):
    """A label is absent under the name given, ambiguous, or has the wrong shape."""


@dataclass(frozen=True)
class LabelKeys:
    """The names of the labels in the files; None means: found by themselves.

    A stress whose name contains 'virial' is converted, stress = -virial / volume.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    dipole: str | None = None


# Names that say what they are; if several of one row are present, they must agree.
_USUAL = {
    "energy": ("energy", "total_energy", "totenergy", "etot", "potential_energy"),
    "forces": ("forces", "force"),
    "stress": ("stress", "virial", "virials"),
    "dipole": ("dipole", "dipole_moment"),
}
_PREFIXES = ("", "ref_", "dft_", "qm_", "xtb_")
# Names that are taken only where no usual one is present.
_LAST = {"energy": ("free_energy", "u0", "u", "e"), "forces": ("f",), "stress": (), "dipole": ("mu",)}


def read_labels(images: Sequence[Atoms], names: Sequence[str], keys: LabelKeys) -> list[dict[str, Any]]:
    """Labels of each image: `energy` (float), `forces` (atoms, 3), `stress` (3, 3), `dipole` (3,), or None.

    Results of ASE's calculators, `info` and `arrays` are searched; upper and lower case are the same.

    Raises:
        LabelError: see `read_frames`.
    """
    available = [_available(atoms) for atoms in images]
    labels: list[dict[str, Any]] = [{} for _ in images]
    for field in fields(LabelKeys):
        quantity, given = field.name, getattr(keys, field.name)
        key = _given(quantity, given, available) if given else _found(quantity, images, names, available)
        for atoms, name, values, label in zip(images, names, available, labels, strict=True):
            value = values.get(key) if key else None
            label[quantity] = None if value is None else _convert(quantity, key or "", value, atoms, name)
    return labels


def _available(atoms: Atoms) -> dict[str, Any]:
    results = getattr(atoms.calc, "results", {}) if atoms.calc is not None else {}
    return {**atoms.arrays, **atoms.info, **{k: v for k, v in results.items() if v is not None}}


def _given(quantity: str, key: str, available: Sequence[dict[str, Any]]) -> str:
    if not any(key in values for values in available):
        present = sorted({k for values in available for k in values} - {"numbers", "positions"})
        raise LabelError(
            f"no frame has {key!r}, the name given for the {quantity}; the frames have: "
            f"{', '.join(present) or 'nothing besides the geometry'}"
        )
    return key


def _found(
    quantity: str, images: Sequence[Atoms], names: Sequence[str], available: Sequence[dict[str, Any]]
) -> str | None:
    present = dict.fromkeys(k for values in available for k in values)  # ordered
    for spellings in ([p + n for p in _PREFIXES for n in _USUAL[quantity]], _LAST[quantity]):
        spellings = [*spellings, *(f"{n}_{p.rstrip('_')}" for p in _PREFIXES[1:] for n in spellings)]
        keys = sorted((k for k in present if k.lower() in spellings), key=lambda k: spellings.index(k.lower()))
        if keys:
            _require_agreement(quantity, keys, images, names, available)
            return keys[0]
    return None


def _require_agreement(
    quantity: str,
    keys: Sequence[str],
    images: Sequence[Atoms],
    names: Sequence[str],
    available: Sequence[dict[str, Any]],
) -> None:
    first, *others = keys
    for atoms, name, values in zip(images, names, available, strict=True):
        for other in others:
            if other not in values:
                continue
            a = _convert(quantity, first, values[first], atoms, name) if first in values else None
            b = _convert(quantity, other, values[other], atoms, name)
            if b is None or (a is not None and np.allclose(a, b, rtol=1e-5, atol=1e-5, equal_nan=True)):
                continue
            seen = f"{first} = {_short(a)}, {other} = {_short(b)}" if a is not None else f"only {other}"
            raise LabelError(
                f"the {quantity} is ambiguous: found {', '.join(keys)}, which differ ({name}: {seen}); "
                f"say which one holds it with --{quantity}-key or LabelKeys({quantity}=...), e.g. {other!r}"
            )


def _short(value: Any) -> str:
    return f"{value:.6g}" if np.ndim(value) == 0 else f"{np.round(value, 4).ravel()[:3].tolist()}..."


def _convert(quantity: str, key: str, value: Any, atoms: Atoms, name: str) -> Any:
    expected = {
        "energy": "one number",
        "forces": f"shape ({len(atoms)}, 3)",
        "stress": "shape (3, 3), 9 or 6 (xx, yy, zz, yz, xz, xy)",
        "dipole": "3 numbers",
    }[quantity]
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise LabelError(f"{name}: expected {expected} for the {quantity} {key!r}, got {value!r:.60}")
    array = array.astype(np.float64)
    if quantity == "energy" and array.size == 1:
        return float(array.reshape(()))
    if quantity == "forces" and array.shape == (len(atoms), 3):
        return array
    if quantity == "dipole" and array.size == 3:
        return array.reshape(3)
    if quantity == "stress" and array.shape in {(3, 3), (9,), (6,)}:
        stress = voigt_6_to_full_3x3_stress(array) if array.size == 6 else array.reshape(3, 3)
        stress = 0.5 * (stress + stress.T)
        if "virial" not in key.lower():
            return stress
        volume = abs(float(np.linalg.det(atoms.cell[:])))
        return -stress / volume if volume > 0 and math.isfinite(volume) else None
    raise LabelError(f"{name}: expected {expected} for the {quantity} {key!r}, got shape {array.shape}")
