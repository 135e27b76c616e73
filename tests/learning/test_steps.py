"""The steps by themselves: what is drawn first, what is asked, when it is over."""

import dataclasses

import numpy as np
import pytest
from ase.build import molecule
from labellers import good

from equishare.learning import LearnError, LearnSettings, Record, drawing
from equishare.learning.campaign import Campaign
from equishare.learning.choosing import choose, how_many
from equishare.learning.folder import LearnFolder
from equishare.learning.labelling.outcome import Labelled, Refused
from equishare.learning.labelling.pool import LabelPool
from equishare.learning.ledger import Ledger
from equishare.learning.stopping import reached, stop


def campaign(folder, start, **settings):
    where = LearnFolder(folder)
    return Campaign(LearnSettings(**settings), where, [start], LabelPool(good, 1, 1.0), Ledger(where))


def record(**values):
    usual = {
        "number": 1, "pool": 9, "asked": 5, "labels": 20, "failed": 0, "left": (), "uncertainty": 0.01, "fresh": {"forces": 0.01},
        "held_out": {"forces": 0.01}, "seconds": {"train": 10.0},
    }  # fmt: skip
    return Record(**{**usual, **values})


def test_first_configurations_of_a_metal_are_displaced(tmp_path, copper):
    copper = copper.copy()
    copper.info["charge"] = 0
    drawn = drawing.first(campaign(tmp_path, copper, temperatures=(300.0, 1200.0)))
    assert len(drawn.pool) == 80
    assert drawn.apart == []
    assert all(atoms.info == {"charge": 0, "source": "displacements"} for atoms in drawn.pool)
    cells = np.array([atoms.cell.array for atoms in drawn.pool])
    assert 0.001 < np.abs(cells - copper.cell.array).std() < 0.1
    again = drawing.first(campaign(tmp_path, copper, temperatures=(300.0, 1200.0)))
    assert all((a.positions == b.positions).all() for a, b in zip(drawn.pool, again.pool, strict=True))


def test_what_falls_apart_is_kept_apart(tmp_path, monkeypatch):
    ethanol = molecule("CH3CH2OH")
    torn = ethanol.copy()
    torn.positions[-1] += 5.0
    pytest.importorskip("tblite")
    monkeypatch.setattr(drawing, "sample", lambda *_, **__: [ethanol, torn, ethanol])
    drawn = drawing.first(campaign(tmp_path, ethanol))
    assert len(drawn.pool) == 2
    assert [("is broken" in atoms.info["reason"]) for atoms in drawn.apart] == [True]


def test_nothing_is_asked_twice(tmp_path, copper):
    begun = campaign(tmp_path, copper, first=12, max_labels=15)
    pool = drawing.first(begun).pool
    asked = choose(begun, [*pool, *pool])
    assert len(asked) == how_many(begun) == 12
    assert len({atoms.positions.tobytes() for atoms in asked}) == 12
    assert [atoms.info["role"] for atoms in asked].count("valid") == 2
    for k, atoms in enumerate(asked):
        atoms.info |= {"ask": f"r000-{k:04d}", "round": 0}
        outcome = Labelled(0.0, np.zeros((4, 3)), None, 0.1) if k % 3 else Refused("no", 0.1)
        begun.ledger.add(atoms, outcome)
    more = choose(begun, pool)
    assert len(more) == 3  # what the budget leaves, failed ones included
    before = {np.round(atoms.positions, 4).tobytes() for atoms in asked}
    assert not before & {np.round(atoms.positions, 4).tobytes() for atoms in more}
    assert choose(begun, asked) == []


def test_reached_is_all_of_it():
    assert reached(record(), 0.02)
    for change in (
        {"fresh": {"forces": 0.03}},
        {"fresh": {}},
        {"held_out": {"forces": 0.03}},
        {"uncertainty": 0.03},
        {"uncertainty": None},
        {"left": ("300 K: exploded",)},
    ):
        assert not reached(record(**change), 0.02)


def test_over_is_over(tmp_path, copper):
    begun = campaign(tmp_path, copper, accuracy=0.005)
    begun.records.append(record())
    assert stop(begun) is None
    begun.records.append(record(asked=0))
    assert "nothing is left to ask" in stop(begun)
    begun.settings = dataclasses.replace(begun.settings, accuracy=0.02)
    assert stop(begun) == "reached: forces within 20 meV/Å"
    begun.settings = dataclasses.replace(begun.settings, accuracy=0.005, max_time=30.0)
    begun.records[-1] = record(seconds={"train": 25.0})
    assert stop(begun) == "another round would not fit into 30s"


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperatures": ()},
        {"temperatures": (0.0,)},
        {"accuracy": 0.0},
        {"max_labels": 5},
        {"first": 3},
        {"workers": 0},
        {"max_time": -1.0},
    ],
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(LearnError, match=f"{next(iter(wrong))} must be"):
        LearnSettings(**wrong)
