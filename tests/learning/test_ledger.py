"""The files of labels: what a kill cuts short is removed, nothing else."""

import numpy as np
import pytest
from ase.calculators.emt import EMT

from equishare.learning.folder import LearnFolder
from equishare.learning.labelling.outcome import Labelled, Refused
from equishare.learning.ledger import Ledger, as_text, repair


def filled(tmp_path, copper):
    ledger = Ledger(LearnFolder(tmp_path))
    for k in range(3):
        atoms = copper.copy()
        atoms.positions[0] += 0.01 * k
        atoms.info = {"ask": f"r000-{2 - k:04d}", "round": 0, "role": "train" if k else "valid", "why": "at random"}
        atoms.calc = EMT()
        ledger.add(atoms, Labelled(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), 0.1))
    atoms.info["ask"] = "r000-0003"
    ledger.add(atoms, Refused('ValueError: "no" \\ way', 1.0))
    return ledger


def test_what_is_written_comes_back(tmp_path, copper):
    before = filled(tmp_path, copper)
    after = Ledger(LearnFolder(tmp_path))
    assert [atoms.info["ask"] for atoms in after.labelled] == ["r000-0000", "r000-0001", "r000-0002"]
    assert [len(after.frames(role)) for role in ("train", "valid")] == [2, 1]
    assert len(after.frames(before=0)) == 0
    assert after.failed[0].info["reason"] == "ValueError: 'no' / way"
    assert after.knows("r000-0003")
    assert not after.knows("r000-0004")
    for one, two in zip(before.frames(), after.frames(), strict=True):
        assert one.energy == two.energy
        assert np.array_equal(one.forces, two.forces)
        assert np.array_equal(one.stress, two.stress)


def test_a_frame_cut_short_is_removed_wherever_the_cut_is(tmp_path, copper):
    filled(tmp_path, copper)
    path = LearnFolder(tmp_path).labels
    whole = path.read_bytes()
    last = len(as_text(Ledger(LearnFolder(tmp_path)).labelled[0]).encode())
    for cut in range(1, last):
        path.write_bytes(whole[:-cut])
        repair(path)
        assert path.read_bytes() == whole[:-last]
    path.write_bytes(whole)
    repair(path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ["", "4\n"])
def test_nothing_whole_is_nothing(tmp_path, text):
    path = tmp_path / "labels.xyz"
    path.write_text(text)
    repair(path)
    assert path.read_text() == ""
