"""Energies of several methods on one level."""

import numpy as np
import pytest
from ase import Atoms

import equishare
from equishare.atoms import Frame, read_frames
from equishare.errors import EquishareError
from equishare.potential import load
from equishare.training.data.levels import above, references

ABOVE = {"H": 3.0, "C": -1000.0, "O": -2000.0}


def of_two_methods(frames):
    """Every second frame by another method, whose atoms have other energies."""
    both = []
    for k, frame in enumerate(frames):
        method, more = ("dft", sum(ABOVE[s] for s in frame.atoms.symbols)) if k % 2 else ("xtb", 0.0)
        both.append(
            Frame(frame.atoms, energy=frame.energy + more, forces=frame.forces, conditions={"method": method}, index=k)
        )
    return both


def atoms_of(method, energies):
    return [Frame(Atoms(s), energy=e, conditions={"method": method}) for s, e in energies.items()]


def test_isolated_atoms_of_both_methods():
    e0 = {"H": -10.0, "C": -40.0, "O": -90.0}
    isolated = [*atoms_of("xtb", e0), *atoms_of("dft", {s: e + ABOVE[s] for s, e in e0.items()})]
    frames = of_two_methods(read_frames("ethanol@3:9"))
    reference, levels = references(frames, isolated, None, ("xtb", "dft"))
    assert dict(reference.values) == e0
    assert levels["dft"] == pytest.approx(ABOVE)


def test_least_squares_of_both_methods():
    """Without isolated atoms energies of like structures come to like numbers, though one composition fixes no element's."""
    frames = of_two_methods(read_frames("ethanol@3:43"))
    _, levels = references(frames, [], None, ("xtb", "dft"))
    on_level = [frame.energy - above(frame, levels) for frame in frames]
    means = np.mean(on_level[::2]), np.mean(on_level[1::2])
    assert means[0] == pytest.approx(means[1], abs=1e-6)


def test_without_frames_of_the_first_method():
    with pytest.raises(EquishareError, match="no training frame is of the method pbe"):
        references(of_two_methods(read_frames("ethanol@3:9")), [], None, ("pbe", "xtb", "dft"))


def test_two_levels_train_one_model(tiny_config, tmp_path):
    """Energies of both are learnt, though the levels lie thousands of eV apart, and each is predicted on its own."""
    sections = {name: tiny_config[name] for name in ("optimisation", "budget")}
    model = {**tiny_config["model"], "conditions": ["method"]}
    frames = of_two_methods(read_frames("ethanol@3:63"))
    run = equishare.train(
        frames, valid=0.2, test=0.2, model=model, out=str(tmp_path / "run"), report=False, device="cpu", **sections
    )
    assert run.config.model.methods == ("xtb", "dft")
    errors = run.evaluations["test"].errors["energy"]
    assert errors.rmse < 1.0
    potential = load(run.folder.model)
    atoms = frames[0].atoms.copy()
    (low,), (high,) = (potential.predict([replace_method(atoms, method)], forces=False) for method in ("xtb", "dft"))
    assert high["energy"] - low["energy"] == pytest.approx(sum(ABOVE[s] for s in atoms.symbols), abs=1.0)
    atoms.calc = potential.calculator()
    atoms.info["method"] = "dft"
    assert atoms.get_potential_energy() == pytest.approx(high["energy"], abs=1e-3)


def replace_method(atoms, method):
    named = atoms.copy()
    named.info["method"] = method
    return named
