"""Neutral molecules and cations of one geometry: a potential that is told the charge learns both."""

import pytest

import equishare


@pytest.mark.slow
def test_the_condition_takes_the_energy_error_to_a_tenth_and_the_forces_to_half(tmp_path):
    errors = {}
    for name, conditions in (("without", []), ("with", ["charge", "spin"])):
        run = equishare.train(
            "ions",
            test="ions_test",
            report=False,
            preset="small",
            epochs=12,
            device="cpu",
            conditions=conditions,
            out=str(tmp_path / name),
        )
        test = run.evaluations["test"].errors
        errors[name] = test["energy"].rmse, test["forces"].rmse
    assert errors["with"][0] < errors["without"][0] / 10
    assert errors["with"][1] < errors["without"][1] / 2
