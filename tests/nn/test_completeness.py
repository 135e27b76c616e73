"""Every public layer has symmetry cases, and every case is of a public layer."""

import importlib.util
from pathlib import Path

import pytest
from torch import nn

import equishare.nn

# Public layer -> the test module whose CASES draw group elements for it.
COVERED_BY = {
    "ChannelProduct": "test_symmetry_e3",
    "DensityConv": "test_symmetry_e3",
    "Gate": "test_symmetry_e3",
    "IrrepsLinear": "test_symmetry_e3",
    "RadialBasis": "test_symmetry_e3",
    "Readout": "test_symmetry_e3",
    "SphericalHarmonics": "test_symmetry_e3",
}


def public_layers() -> set[str]:
    members = {name: getattr(equishare.nn, name) for name in equishare.nn.__all__}
    return {name for name, value in members.items() if isinstance(value, type) and issubclass(value, nn.Module)}


def test_every_public_layer_is_covered():
    assert public_layers() == set(COVERED_BY)


@pytest.mark.parametrize("module", sorted(set(COVERED_BY.values())))
def test_the_cases_are_those_of_the_table(module):
    spec = importlib.util.spec_from_file_location(module, Path(__file__).with_name(f"{module}.py"))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    tested = {case.layer.__name__ for case in loaded.CASES.values()}
    assert tested == {layer for layer, where in COVERED_BY.items() if where == module}
