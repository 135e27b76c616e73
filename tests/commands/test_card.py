"""``equishare card``."""

import json

import pytest

from equishare.cli import main
from equishare.potential import ModelConfig, Potential, save


@pytest.fixture
def model(tmp_path):
    config = ModelConfig(channels=4, n_basis=4, n_hidden=4, cutoff=3.0, heads=("dipole",), conditions=("charge",))
    about = {
        "files": ["mine.xyz"],
        "steps": 1200,
        "seconds": 61,
        "method": "GFN2-xTB",
        "licence": "MIT",
        "errors": {"test": {"forces_rmse": 0.012, "n_frames": 9}},
    }
    save(Potential(config, {"H": -13.6, "O": -430.0}), tmp_path / "m.safetensors", about)
    return str(tmp_path / "m.safetensors")


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert not stop.value.code


def test_it_says_what_the_model_is(model, capsys):
    run("card", model)
    said = capsys.readouterr().out
    for words in (
        "H, O",
        "cutoff 3 Å",
        "Also reads  dipole",
        "Takes       charge",
        "mine.xyz",
        "Labels by   GFN2-xTB",
        "Licence     MIT",
        "1,200 steps",
        "forces_rmse 0.012",
    ):
        assert words in said, words


def test_json_is_the_whole_header(model, capsys):
    run("card", model, "--json")
    assert json.loads(capsys.readouterr().out)["metadata"]["files"] == ["mine.xyz"]


def test_no_model(tmp_path, capsys):
    (tmp_path / "x.safetensors").write_bytes(b"none")
    with pytest.raises(SystemExit) as stop:
        main(["card", str(tmp_path / "x.safetensors")])
    assert stop.value.code == 1
    assert "not a readable" in capsys.readouterr().err
