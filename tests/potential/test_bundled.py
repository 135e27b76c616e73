"""Weights of the package, by name."""

import pytest

from equishare.potential import load, read_header
from equishare.potential.bundled import FOLDER, bundled, model_path


def test_a_name_stands_for_its_file_and_a_file_for_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "organic" in bundled()
    assert model_path("organic") == FOLDER / "organic.safetensors"
    assert read_header("organic").metadata["method"] == "GFN2-xTB"
    (tmp_path / "organic").write_text("a file of the user's")
    assert str(model_path("organic")) == "organic"


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(FileNotFoundError, match="organic comes with the package"):
        load("inorganic")


def test_small_enough_for_the_wheel():
    assert (FOLDER / "organic.safetensors").stat().st_size < 3e6
