"""Structures typed at the prompt."""

import pytest

from equishare import datasets
from equishare.check.command.structures import read_frame
from equishare.check.errors import TargetError


def test_a_bundled_data_set_and_a_file(tmp_path):
    frames = datasets.load("ethanol_test")
    assert (read_frame("ethanol_test@0").positions == frames[0].positions).all()
    assert (read_frame("ethanol_test").positions == frames[-1].positions).all()
    assert (read_frame(f"{datasets.path('ethanol_test')}@-2").positions == frames[-2].positions).all()
    (tmp_path / "a@b.xyz").write_bytes(datasets.path("ethanol_test").read_bytes())
    assert (read_frame(str(tmp_path / "a@b.xyz")).positions == frames[-1].positions).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.xyz", "there is no file absent.xyz"),
        ("ethanol_test@100000", "has no frame 100000"),
        ("ethanol_test@first", "slice"),
    ],
)
def test_what_cannot_be_read(name, message):
    with pytest.raises(TargetError, match=message):
        read_frame(name)
