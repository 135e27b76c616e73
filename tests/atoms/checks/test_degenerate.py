"""Labels that nobody computed are named; zeros that symmetry makes are not."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from equishare.atoms import Frame, inspect, read_frames


@pytest.fixture(scope="module")
def ethanol():
    return read_frames("ethanol@3:23")


def found(frames, **options):
    return {f.code: f for f in inspect(frames, **options).findings}


def test_an_energy_that_is_always_the_same(ethanol):
    same = [replace(f, energy=4.0, keys={"energy": "U"}) for f in ethanol]
    finding = found(same)["constant-energy"]
    assert finding.level == "error"
    assert "the energy is the same, 4 (read from 'U'), in 20 frames whose geometries differ" in finding.message
    assert "--key energy=COLUMN" in finding.advice
    assert found([*ethanol, *same[:3]]).keys().isdisjoint({"constant-energy"})
    assert "constant-energy" not in found([ethanol[0]] * 5)


def test_forces_that_are_all_zero(ethanol):
    zero = [replace(f, forces=np.zeros((9, 3))) for f in ethanol]
    finding = found(zero)["zero-forces"]
    assert finding.level == "error"
    assert "exactly zero in 20 frames, where no symmetry makes them so" in finding.message
    some = found([*ethanol[:18], *zero[18:]])["zero-forces"]
    assert (some.level, some.frames) == ("warning", tuple(f.name for f in zero[18:]))


@pytest.mark.parametrize("structure", ["Cu", "NaCl", "Si"])
def test_forces_that_symmetry_makes_zero(structure):
    frames = []
    for n, scale in enumerate(np.linspace(0.95, 1.05, 9)):
        atoms = bulk(structure, *{"NaCl": ("rocksalt", 5.64), "Cu": ("fcc", 3.6), "Si": ("diamond", 5.43)}[structure])
        atoms.set_cell(atoms.cell[:] * scale, scale_atoms=True)
        frames.append(Frame(atoms, energy=(scale - 1) ** 2, forces=np.zeros((len(atoms), 3)), index=n))
    assert not found(frames).keys() & {"zero-forces", "constant-energy"}


def test_forces_of_rounding_only_are_said():
    rng = np.random.default_rng(0)
    frames = [
        Frame(
            bulk("Cu", a=a, cubic=True),
            energy=8.0 * (a - 3.6) ** 2,
            forces=rng.normal(scale=3e-5, size=(4, 3)),
            index=n,
        )
        for n, a in enumerate(np.linspace(3.4, 3.8, 20))
    ]
    finding = found(frames)["symmetric"]
    assert finding.level == "info"
    assert "crystals whose symmetry leaves no forces" in finding.message


def test_an_isolated_molecule_without_dipole_is_no_fault():
    frames = []
    for n, stretch in enumerate(np.linspace(1.1, 1.3, 6)):
        atoms = Atoms("OCO", [(0, 0, -stretch), (0, 0, 0), (0, 0, stretch)])
        frames.append(Frame(atoms, energy=stretch**2, dipole=np.zeros(3), index=n))
    assert "constant-dipole" not in found(frames)
    bent = []
    for n, angle in enumerate(range(100, 110, 2)):
        atoms = molecule("H2O")
        atoms.set_angle(1, 0, 2, angle)
        bent.append(Frame(atoms, energy=float(angle), dipole=np.zeros(3), index=n))
    assert found(bent)["constant-dipole"].level == "warning"


@pytest.mark.parametrize("name", ["charge", "spin", "method"])
def test_conditions_that_vary_and_are_not_used(ethanol, name):
    value = "PBE0" if name == "method" else 2
    varied = [replace(f, **{name: value}) if n % 4 == 0 else f for n, f in enumerate(ethanol)]
    finding = found(varied)[f"varying-{name}"]
    assert finding.level == "warning"
    assert f"the {name} varies" in finding.message
    assert "in 15" in finding.message
    assert "in 5 frames" in finding.message
    assert finding.frames == tuple(f.name for f in varied[::4])
    assert f"varying-{name}" not in found(varied, used=(name,))
    assert not any(code.startswith("varying") for code in found(ethanol))


@pytest.mark.parametrize("name", ["charge", "spin", "method"])
def test_conditions_that_are_used_and_no_frame_says(ethanol, name):
    finding = found(ethanol, used=(name,))[f"unsaid-{name}"]
    assert (finding.level, finding.message) == ("warning", f"no frame says its {name}, so nothing of it is learnt")
    said = [replace(ethanol[0], **{name: "PBE0" if name == "method" else 1}), *ethanol[1:]]
    assert f"unsaid-{name}" not in found(said, used=(name,))
    assert f"unsaid-{name}" not in found(ethanol)


def test_the_same_geometry_with_another_charge_is_no_duplicate(ethanol):
    charged = [replace(f, charge=1, energy=f.energy + 8.0, index=f.index + 1000) for f in ethanol]
    assert not found([*ethanol, *charged], used=("charge",)).keys() & {"duplicates", "contrary-labels"}
    assert {"duplicates", "contrary-labels"} <= found([*ethanol, *(replace(f, charge=None) for f in charged)]).keys()


def test_what_the_reader_decided_is_said(tmp_path, ethanol):
    odd = [replace(f, keys={"energy": "dft_energy"}) for f in ethanol[:5]]
    usual = [replace(f, keys={"energy": "energy"}, weight=2.0) for f in ethanol[5:]]
    said = found([*odd, *usual])
    assert "energy is read from 'dft_energy' in 5, from 'energy' in 15 frames" in said["mixed-keys"].message
    assert said["mixed-keys"].frames == tuple(f.name for f in odd)
    assert "15 frames with a weight in the loss, from 2 to 2" in said["weights"].message


def test_a_column_of_another_name_is_listed(tmp_path):
    text = "2\nProperties=species:S:1:pos:R:3:forces:R:3 E_ev=-1.0\nC 0 0 0 1 0 0\nO 0 0 1.1 -1 0 0\n"
    (tmp_path / "a.xyz").write_text(text * 2)
    finding = found(read_frames(tmp_path / "a.xyz"))["missing-energy"]
    assert "no frame has an energy; the frames have: E_ev" in finding.message
    assert "--key energy=COLUMN" in finding.advice


def test_the_work_grows_with_the_frames_only(ethanol, monkeypatch):
    """Copies are compared with one of their kind, not with each other."""
    from equishare.atoms import duplicates

    compared = []
    same = duplicates._same_distances
    monkeypatch.setattr(duplicates, "_same_distances", lambda a, b: compared.append(1) or same(a, b))
    copies = [replace(ethanol[0], index=n) for n in range(200)]
    assert len(found(copies)["duplicates"].frames) == 199
    assert len(compared) == 199
