"""Inspection: every defect is found by its code and named, and sound data raise no alarm."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from rich.console import Console

from equishare.atoms import read_frames
from equishare.atoms.inspection import inspect
from equishare.atoms.render import render
from equishare.datasets import path
from equishare.errors import EquishareError


@pytest.fixture(scope="module")
def ethanol():
    frames = read_frames(path("ethanol"))
    return frames[:3] + frames[3::10]  # isolated atoms, then some of every trajectory


@pytest.fixture(scope="module")
def dry_ice():
    return read_frames(path("dry_ice"))


def changed(frame, **changes):
    """A frame with other labels or, by function, another geometry."""
    atoms = frame.atoms.copy()
    geometry = changes.pop("geometry", None)
    atoms = (geometry(atoms) or atoms) if geometry else atoms
    return replace(frame, atoms=atoms, **changes)


def spoil(value):
    def function(array):
        array = np.array(array, dtype=float)
        array.flat[4] = value
        return array

    return function


def _set(attribute, value):
    def function(atoms):
        array = getattr(atoms, attribute)
        array[0] = value
        if attribute == "cell":
            atoms.set_cell(array)

    return function


# code -> (level, defect of one frame, words of the message)
DEFECTS = {
    "nan-position": (
        "error",
        lambda f: changed(f, geometry=_set("positions", np.nan)),
        "positions of 1 frame",
    ),
    "nan-cell": ("error", lambda f: changed(f, geometry=_set("cell", np.nan)), "cell of 1 frame"),
    "zero-volume": (
        "error",
        lambda f: changed(f, geometry=lambda a: a.set_cell(np.zeros((3, 3))) or a.set_pbc(True)),
        "cell of next to no volume",
    ),
    "unknown-species": ("error", lambda f: changed(f, geometry=_set("numbers", 0)), "dummy atoms"),
    "overlap": (
        "error",
        lambda f: changed(f, geometry=lambda a: a.positions.__setitem__(1, a.positions[0] + 0.1)),
        "0.173 Å",
    ),
    "no-neighbours": (
        "warning",
        lambda f: changed(f, geometry=lambda a: a.positions.__setitem__(8, 30.0)),
        "1 atom without a neighbour within 5 Å in 1 frame",
    ),
    "missing-energy": ("warning", lambda f: replace(f, energy=None), "no energy in 1 frame of"),
    "missing-forces": ("warning", lambda f: replace(f, forces=None), "no forces in 1 frame of"),
    "missing-dipole": ("warning", lambda f: replace(f, dipole=None), "no dipole in 1 frame of"),
    "nan-energy": ("warning", lambda f: replace(f, energy=float("nan")), "in the energy of 1 frame"),
    "nan-forces": ("warning", lambda f: replace(f, forces=spoil(np.inf)(f.forces)), "in the forces of 1 frame"),
    "nan-dipole": (
        "warning",
        lambda f: replace(f, dipole=np.array([0, 0, np.nan])),
        "in the dipole of 1 frame",
    ),
    "outlier-forces": ("warning", lambda f: replace(f, forces=60.0 * f.forces), "in 1 frame"),
    "net-force": (
        "warning",
        lambda f: replace(f, forces=spoil(3.0)(f.forces)),
        "do not sum to zero in 1 frame",
    ),
}


@pytest.mark.parametrize("code", DEFECTS)
def test_a_defect_is_found_and_named(ethanol, code):
    level, defect, message = DEFECTS[code]
    frames = list(ethanol)
    frames[20] = defect(frames[20])
    inspection = inspect(frames)
    found = {f.code: f for f in inspection.findings}
    assert code in found, found
    assert found[code].level == level
    assert message in found[code].message
    assert found[code].frames == (frames[20].name,)
    assert found[code].advice
    # what else is said concerns the same frame
    assert all(f.frames == (frames[20].name,) for f in inspection.findings)
    assert inspection.ok == (level != "error")
    if level == "error":
        with pytest.raises(EquishareError, match=frames[20].name):
            inspection.raise_if_errors()
    json.dumps(inspection.to_dict())


def test_several_defects_at_once(ethanol):
    frames = list(ethanol)
    for n, (_, defect, _) in enumerate(DEFECTS.values()):
        frames[10 + 2 * n] = defect(frames[10 + 2 * n])
    found = inspect(frames).findings
    assert set(DEFECTS) <= {f.code for f in found}
    assert [f.level for f in found] == sorted((f.level for f in found), key=["error", "warning", "info"].index)
    for n, code in enumerate(DEFECTS):
        assert frames[10 + 2 * n].name in next(f for f in found if f.code == code).frames


def test_labels_that_no_frame_has(ethanol):
    found = {f.code: f.level for f in inspect([replace(f, energy=None) for f in ethanol[3:]]).findings}
    assert found["missing-energy"] == "error"
    found = {f.code: f.level for f in inspect([replace(f, forces=None) for f in ethanol[3:]]).findings}
    assert found["missing-forces"] == "warning"


def test_stress_is_wanted_of_crystals_only(dry_ice, ethanol):
    frames = [*dry_ice, *ethanol[3:]]
    assert not any(f.code.startswith("missing") for f in inspect(frames).findings)
    frames[10] = replace(frames[10], stress=None)
    (finding,) = (f for f in inspect(frames).findings if f.code == "missing-stress")
    assert finding.frames == (frames[10].name,)
    assert finding.level == "warning"


def test_no_frames(ethanol):
    assert [f.code for f in inspect(ethanol[:3]).findings] == ["no-frames"]
    assert [f.code for f in inspect([]).findings] == ["no-frames"]
    assert [f.code for f in inspect(ethanol, valid=[]).findings] == ["no-frames"]


def test_duplicates_are_found_turned(ethanol):
    copy = changed(ethanol[30], geometry=lambda a: a.rotate(50, (1, 2, 3)), index=9999)
    found = {f.code: f for f in inspect([*ethanol, copy]).findings}
    assert found["duplicates"].frames == (copy.name,)
    assert "contrary-labels" not in found
    copy = replace(copy, energy=copy.energy + 0.1)
    found = {f.code: f for f in inspect([*ethanol, copy]).findings}
    assert set(found["contrary-labels"].frames) == {copy.name, ethanol[30].name}


def test_leakage(ethanol):
    train, test = ethanol[:80], ethanol[80:]
    assert inspect(train, test=test).findings == ()
    leaked = {f.code: f for f in inspect(train, test=[*test, train[10]]).findings}
    assert leaked["leakage"].level == "warning"
    assert leaked["leakage"].frames == (train[10].name,)
    (finding,) = inspect(train, valid=train[20:40], test=test).findings
    assert (finding.code, finding.level) == ("leakage", "error")
    assert "valid: 20 frames of 20 whose geometry is in train" in finding.message


def test_a_species_that_was_not_trained_on(ethanol, dry_ice):
    found = {f.code: f for f in inspect(dry_ice, test=ethanol[3:]).findings}
    assert found["unseen-species"].level == "error"
    assert "with H, which train does not have" in found["unseen-species"].message


def test_reference_energies(ethanol):
    assert [(f.code, f.level) for f in inspect(ethanol[3:]).findings] == [("e0-least-squares", "info")]
    assert [(f.code, f.level) for f in inspect(ethanol[1:]).findings] == [("e0-missing", "warning")]
    shifted = [replace(f, energy=f.energy - 500.0) for f in ethanol[:3]] + ethanol[3:]
    assert [f.code for f in inspect(shifted).findings] == ["binding-energy"]


def test_the_bundled_sets_raise_no_alarm():
    for name in ("ethanol", "dry_ice"):
        train, test = read_frames(path(name)), read_frames(path(f"{name}_test"))
        assert inspect(train, test=test).findings == ()
        assert [f.code for f in inspect(test).findings] == ["e0-least-squares"]
    assert inspect(read_frames("ions"), test=read_frames("ions_test"), used=("charge", "spin")).findings == ()
    assert {f.code for f in inspect(read_frames("ions")).findings} == {"varying-charge", "varying-spin"}


@pytest.mark.parametrize("width", [40, 80, 120])
def test_rendering_fits_the_width_and_says_everything(ethanol, width):
    frames = list(ethanol)
    for n, (_, defect, _) in enumerate(DEFECTS.values()):
        frames[10 + 2 * n] = defect(frames[10 + 2 * n])
    inspection = inspect(frames, test=ethanol[50:60])
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(inspection))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    for finding in inspection.findings:
        assert f"[{finding.code}]" in text
    assert "training would stop here" in " ".join(text.split())
    assert "\x1b" not in text


def test_rendering_of_sound_data(ethanol):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(inspect(ethanol)))
    text = console.export_text()
    assert "0 errors, 0 warnings: ready for training" in text
    assert "H -10.7072" in text


def test_one_frame_and_one_periodic_atom():
    frame = read_frames(f"{path('ethanol')}@5")[0]
    assert inspect([frame]).ok
    crystal = Atoms("Li", cell=3.0 * np.eye(3), pbc=True)
    assert inspect([replace(frame, atoms=crystal, energy=-1.9, forces=np.zeros((1, 3)))]).ok
