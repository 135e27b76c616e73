"""Labels and conditions in ASE's objects: found, frame by frame, under the usual names of the table of properties or those given."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from equishare.atoms.checks.findings import Remark
from equishare.atoms.properties import PROPERTIES, LabelError, Property, conditions

__all__ = ["READER", "LabelReader", "read_conditions", "read_labels", "spelt"]

READER = "equishare_reader"  # key of info under which a reader of files leaves a remark
_PREFIXES = ("", "ref_", "dft_", "qm_", "xtb_")
_NUMBERS = {
    key for row in PROPERTIES.values() if not (row.shape or row.per_atom) for key in (*row.keys, *row.force_keys)
}
_WEIGHTS = ("config_weight", "frame_weight", "weight")
# eV an atom: what smearing puts between an energy and the free energy that the forces derive from stays below it
_SMEARING = 0.1
_CUT = 1e-6  # eV an atom: less is the digits that a file has cut


def read_labels(images: Sequence[Atoms], names: Sequence[str], keys: Mapping[str, str]) -> list[dict[str, Any]]:
    """What each image says of the properties of the table, as keyword arguments of `Frame`.

    Results of ASE's calculators, `info` and `arrays` are searched, these for values of atoms only; upper and lower case are the same.

    Args:
        images: The frames.
        names: What to call each in errors.
        keys: Names in the files, of properties that are not to be found by themselves.

    Raises:
        LabelError: see `read_frames`.
    """
    reader = LabelReader(keys)
    said = reader.read(images, names)
    reader.finish()
    return said


def read_conditions(images: Sequence[Atoms], names: Sequence[str]) -> list[dict[str, int | str]]:
    """What each image says of charge, spin and the other conditions of the table; labels are not looked at.

    >>> read_conditions([Atoms("H", info={"total_charge": 1})], ["proton"])
    [{'charge': 1}]
    """
    search = _Search({})
    return [search.find(_Image(atoms, name), conditions())[0] for atoms, name in zip(images, names, strict=True)]


class LabelReader:
    """Reads labels of images, some at a time; see `read_labels`.

    Args:
        keys: Names in the files, of properties that are not to be found by themselves.
        seen: Those of them that are known to be there.

    Raises:
        LabelError: for a name that is not in the table.
    """

    def __init__(self, keys: Mapping[str, str], seen: Iterable[str] = ()) -> None:
        unknown = [name for name in keys if name not in PROPERTIES]
        if unknown:
            raise LabelError(f"expected keys of {', '.join(PROPERTIES)}, got {', '.join(map(repr, unknown))}")
        self.columns: set[str] = set()
        self._search = _Search(keys)
        self._unseen = {name: key for name, key in keys.items() if name not in seen}

    def read(self, images: Sequence[Atoms], names: Sequence[str]) -> list[dict[str, Any]]:
        """What each image says.

        Raises:
            LabelError: see `read_frames`.
        """
        described = [_Image(atoms, name) for atoms, name in zip(images, names, strict=True)]
        for image in described:
            self.columns.update(str(key) for key in image.arrays)
        for name, key in list(self._unseen.items()):
            if any(image.has(key) or len(image.atoms) == 1 for image in described):
                del self._unseen[name]
        return [self._search.labels(image) for image in described]

    def finish(self) -> None:
        """Make sure that every name that was given has been met.

        Raises:
            LabelError: one has not.
        """
        for name, key in self._unseen.items():
            present = ", ".join(sorted(self.columns)) or "nothing besides the geometry"
            raise LabelError(f"no frame has {key!r}, the name given for the {name}; the frames have: {present}")


class _Image:
    """One image, and all that it says, by name: of the structure, and of its atoms."""

    def __init__(self, atoms: Atoms, name: str) -> None:
        results = getattr(atoms.calc, "results", {}) if atoms.calc is not None else {}
        results = {key: value for key, value in results.items() if value is not None and np.size(value)}
        self.atoms, self.name = atoms, name
        # ASE's extended XYZ takes a column called energy for a result
        columns = {k for k, v in results.items() if k in _NUMBERS and np.shape(v) == (len(atoms),) and len(atoms) > 1}
        info = {key: value for key, value in atoms.info.items() if value is not None}
        arrays = {key: value for key, value in atoms.arrays.items() if key not in ("numbers", "positions")}
        self.places = results, info, arrays
        self.whole = {**info, **{key: value for key, value in results.items() if key not in columns}}
        self.arrays = {**results, **self.whole, **arrays}
        self.signature = tuple(self.whole), tuple(self.arrays)

    def has(self, key: str) -> bool:
        return key in self.arrays

    def value(self, row: Property, key: str) -> Any:
        """The value of a property under a key, the same wherever it stands; None for a virial without a cell."""
        places = self.places if row.per_atom or key not in self.whole else self.places[:2]
        first, *others = (self._converted(row, key, place[key]) for place in places if key in place)
        for other in others:
            if first is not None and other is not None and not _same(first, other):
                raise LabelError(
                    f"{self.name}: {key!r} stands in two places, results of a calculator, info or arrays, with different values "
                    f"({_short(first)} and {_short(other)}); remove one of them"
                )
        return first

    def _converted(self, row: Property, key: str, given: Any) -> Any:
        absent = row.default is not None and isinstance(given, (float, np.floating)) and not np.isfinite(given)
        if absent:
            return None
        try:
            value = row.value(given, len(self.atoms))
        except LabelError as error:
            raise LabelError(f"{self.name}: {error} from {key!r}; {_advice(row.name)}") from None
        if row.times_volume and "virial" in key.lower():
            volume = abs(float(np.linalg.det(self.atoms.cell[:])))
            return -value / volume if volume > 0 and math.isfinite(volume) else None
        return value


class _Search:
    """Finds the keys of properties; frames with the same names are searched once."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.found: dict[tuple[Any, str], list[str]] = {}

    def labels(self, image: _Image) -> dict[str, Any]:
        values, keys, remarks = self.find(image, PROPERTIES.values())
        if READER in image.whole:
            said = image.atoms.info.pop(READER)
            remarks.append(Remark("warning" if "left out" in said or "not converge" in said else "info", said))
        return {**values, "keys": keys, "remarks": tuple(remarks), "weight": _weight(image)}

    def find(self, image: _Image, rows: Iterable[Property]) -> tuple[dict[str, Any], dict[str, str], list[Remark]]:
        """Values of these properties, the keys that they stand under, and what was decided."""
        values: dict[str, Any] = {}
        keys: dict[str, str] = {}
        remarks: list[Remark] = []
        for row in rows:
            try:
                key = self._key(row, image, remarks)
                value = None if key is None else image.value(row, key)
            except LabelError as error:
                if row.energy_unit or row.name in self.given:
                    raise
                text, _, advice = str(error).removeprefix(f"{image.name}: ").partition("; ")
                remarks.append(Remark("warning", f"{row.name} left out: {text}", advice))
                continue
            if key is not None and value is not None:
                values[row.name], keys[row.name] = value, key
        return values, keys, remarks

    def _key(self, row: Property, image: _Image, remarks: list[Remark]) -> str | None:
        given = self.given.get(row.name)
        if given is not None and image.has(given):
            return given
        if given is not None and len(image.atoms) > 1:
            return None
        candidates = self._candidates(row, image)
        if not candidates:
            return None
        if given is not None:
            text = f"an isolated atom without {given!r}, the name given for the {row.name}: it is read from {candidates[0]!r}"
            remarks.append(Remark("info", text))
        return _agreed(row, candidates, image, remarks)

    def _candidates(self, row: Property, image: _Image) -> list[str]:
        """Keys that are there, the likeliest first."""
        place = (image.signature, row.name)
        if place not in self.found:
            present = image.arrays if row.per_atom else image.whole
            for names in (row.keys, row.rare_keys):
                self.found[place] = spelt(names, present)
                if self.found[place]:
                    self.found[place] += spelt(row.force_keys, present) if names is row.keys else []
                    break
        return self.found[place]


def spelt(names: Sequence[str], present: Mapping[str, Any]) -> list[str]:
    """Keys that are there and spell one of the names, alone or with the prefix of a method; the likeliest first.

    >>> spelt(("charge", "total_charge"), {"REF_total_charge": 1, "charge": 1, "id": 3})
    ['charge', 'REF_total_charge']
    """
    spellings = [prefix + name for prefix in _PREFIXES for name in names]
    spellings += [f"{name}_{prefix.rstrip('_')}" for prefix in _PREFIXES[1:] for name in names]
    return sorted((k for k in present if str(k).lower() in spellings), key=lambda k: spellings.index(str(k).lower()))


def _agreed(row: Property, candidates: Sequence[str], image: _Image, remarks: list[Remark]) -> str | None:
    """The first of several keys, if the others say the same."""
    if len(candidates) == 1:
        return candidates[0]
    first, *others = candidates
    value = image.value(row, first)
    for other in others:
        again = image.value(row, other)
        if again is None or (value is not None and _same(value, again) and not _of_forces(row, other)):
            continue
        if value is not None and _of_forces(row, other) and abs(again - value) < _SMEARING * len(image.atoms):
            if abs(again - value) > _CUT * len(image.atoms):
                text = f"{first} and {other} differ: {other} is taken, whose derivative the forces are"
                remarks.append(Remark("info", text, f"--key {row.name}={first} takes the other"))
            return other if again != value else first
        seen = f"{first} = {_short(value)}, {other} = {_short(again)}" if value is not None else f"only {other}"
        raise LabelError(
            f"{image.name}: the {row.name} is ambiguous: found {', '.join(candidates)}, which differ ({seen}); "
            f"say which one holds it with --key {row.name}={other}, or keys={{{row.name!r}: {other!r}}}"
        )
    return first


def _of_forces(row: Property, key: str) -> bool:
    return bool(spelt(row.force_keys, {key: None}))


def _same(a: Any, b: Any) -> bool:
    """Equal, but for the digits that a file or float32 has cut."""
    return a == b if isinstance(a, str) else bool(np.allclose(a, b, rtol=2e-7, atol=1e-4, equal_nan=True))


def _weight(image: _Image) -> float:
    for key in _WEIGHTS:
        given = image.whole.get(key)
        if given is None:
            continue
        number = isinstance(given, (int, float, np.number)) and not isinstance(given, (bool, np.bool_))
        if not number or isinstance(given, np.complexfloating) or not 0.0 <= given < 1e30:
            raise LabelError(f"{image.name}: expected a number that is not negative for {key!r}, got {given!r:.60}")
        return float(given)
    return 1.0


def _advice(name: str) -> str:
    return f"if it is another column, name it with --key {name}=COLUMN"


def _short(value: Any) -> str:
    if isinstance(value, (str, int)) or np.ndim(value) == 0:
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"{np.round(value, 4).ravel()[:3].tolist()}..."
