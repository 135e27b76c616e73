"""The level of a method, asked for at the prompt."""

import json

import ase.io
import pytest
import torch
from ase.build import molecule
from typer.testing import CliRunner

from equishare.cli import app
from equishare.commands.starts import check_model, read_starts
from equishare.potential import ModelConfig, Potential, save
from equishare.potential.given import ConditionError

SMALL = {"channels": 4, "n_basis": 4, "n_hidden": 4, "l_density": 1, "l_features": 1, "cutoff": 3.0}
E0 = {"H": -13.0, "C": -1000.0, "O": -2000.0}


@pytest.fixture
def model(tmp_path):
    """A model of two methods whose levels differ."""
    potential = Potential(ModelConfig(**SMALL, conditions=("method",), methods=("xtb", "pbe")), E0).double()
    with torch.no_grad():
        potential.net.conditions.tables["method"].normal_()
    save(potential, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def frames(tmp_path):
    """Nothing said, one method, the other one in another spelling."""
    images = [molecule("CH3CH2OH") for _ in range(3)]
    images[1].info["method"], images[2].info["METHOD"] = "xtb", "pbe"
    for atoms in images:
        atoms.info["REF_energy"] = -1.0
    ase.io.write(tmp_path / "frames.xyz", images)
    return f"{tmp_path}/frames.xyz"


def test_errors_are_those_of_the_method(model, frames):
    """The label is the same: what is predicted differs by the method that is said, by the file or at the prompt."""

    def energies(*arguments):
        result = CliRunner().invoke(app, ["eval", str(model), frames, "--json", *arguments])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["energy_bias"]

    as_said, of_xtb, of_pbe = energies(), energies("--method", "xtb"), energies("--method", "pbe")
    assert abs(of_pbe - of_xtb) > 1e-3
    assert as_said == pytest.approx((2 * of_xtb + of_pbe) / 3, abs=1e-5)


def test_structures_to_start_from_are_on_its_level(model, frames):
    found = read_starts(model, [f"{frames}@:"], "xtb")
    assert [{name: atoms.info.get(name) for name in ("method", "METHOD")} for _, atoms in found] == 3 * [
        {"method": "xtb", "METHOD": None}
    ]


@pytest.mark.parametrize("command", ["eval", "md", "relax", "vibrations"])
def test_one_that_the_model_does_not_know(command, model, frames):
    result = CliRunner().invoke(app, [command, str(model), frames, "--method", "ccsd"])
    assert isinstance(result.exception, ConditionError)
    assert "expected a method out of xtb, pbe, got 'ccsd'" in str(result.exception)


def test_a_model_of_one_method(tmp_path):
    save(Potential(ModelConfig(**SMALL), E0), tmp_path / "one.safetensors")
    with pytest.raises(ConditionError, match="was not trained on several methods by their names"):
        check_model(tmp_path / "one.safetensors", "pbe")
