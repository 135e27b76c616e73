"""Energies of several methods on one level: E0s of the first one, and what those of the others are above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from equishare.atoms.e0 import ReferenceEnergies, reference_energies
from equishare.atoms.frame import Frame
from equishare.errors import EquishareError
from equishare.training.config import TrainConfig

Levels = Mapping[str, Mapping[str, float]]
"""By method, energies in eV of each element above the first method's."""


def methods_of(config: TrainConfig, frames: Sequence[Frame]) -> tuple[str, ...]:
    """Names of the methods that go into the model, those that it knows already first; none where it is not told of them.

    The first one is that of frames which say nothing.
    """
    if "method" not in config.model.conditions:
        return ()
    found = (str(frame.conditions["method"]) for frame in frames if frame.conditions.get("method"))
    return tuple(dict.fromkeys((*config.model.methods, *found)))


def references(
    frames: Sequence[Frame],
    isolated: Iterable[Frame],
    given: Mapping[str, float] | None,
    methods: tuple[str, ...],
) -> tuple[ReferenceEnergies, dict[str, dict[str, float]]]:
    """E0s of the first method, and the levels of the others.

    A level is the difference of the energies of isolated atoms where both methods have all of them, else that of what least squares make of the
    frames of each, so that energies of like structures come to like numbers.

    Raises:
        ReferenceEnergyError: if E0s cannot be found.
        EquishareError: if no frame is of the first method.
    """
    if len(methods) < 2:
        return reference_energies(frames, isolated, given), {}
    atoms = list(isolated)

    def of(part: Sequence[Frame], name: str) -> list[Frame]:
        silent = name == methods[0]
        return [f for f in part if (f.conditions.get("method") or (methods[0] if silent else None)) == name]

    first, *others = methods
    if not of(frames, first):
        raise EquishareError(
            f"no training frame is of the method {first}, whose energies are the level of the others; add some of its frames, or leave "
            "--condition method out and start from weights of one method"
        )
    reference = reference_energies(of(frames, first), of(atoms, first), given)
    values, origins = dict(reference.values), dict(reference.origins)
    levels: dict[str, dict[str, float]] = {}
    for name in others:
        own, whole = of(frames, name), of(frames, first)
        if not own:
            continue
        his = reference_energies(own, of(atoms, name))
        for symbol, value in his.values.items():
            values.setdefault(symbol, value)
            origins.setdefault(symbol, his.origins[symbol])
        of_atoms = all(values[s] == reference.values.get(s) and his.origins[s] == "isolated atom" for s in his.values)
        of_atoms = of_atoms and all(reference.origins[s] == "isolated atom" for s in his.values)
        upper, lower = (his, reference) if of_atoms else (reference_energies(own), reference_energies(whole))
        levels[name] = {s: energy - lower.values.get(s, values[s]) for s, energy in upper.values.items()}
    return ReferenceEnergies(values, origins, reference.notes), levels


def above(frame: Frame, levels: Levels) -> float:
    """What the energy of a frame is above the level of the first method, in eV.

    >>> from ase import Atoms
    >>> above(Frame(Atoms("H2"), conditions={"method": "pbe"}), {"pbe": {"H": -3.0}}), above(Frame(Atoms("H2")), {})
    (-6.0, 0.0)
    """
    level = levels.get(str(frame.conditions.get("method", "")))
    return 0.0 if level is None else float(sum(count * level[s] for s, count in frame.composition.counts.items()))
