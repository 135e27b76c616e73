"""Every public layer stands in a table of symmetry tests: list, package and tables agree."""

import importlib.util
import inspect
from pathlib import Path

import pytest
from torch import nn as torch_nn

from equishare import nn

# public layer -> the test module whose table CASES tests its symmetry; its LAYERS names them
COVERED_BY = {
    "ChannelProduct": "test_symmetry_e3",
    "DensityConv": "test_symmetry_e3",
    "FieldBatchNorm": "test_symmetry_finite",
    "FieldDropout": "test_symmetry_finite",
    "FieldRMSNorm": "test_symmetry_finite",
    "Gate": "test_symmetry_e3",
    "GroupConv1d": "test_symmetry_finite",
    "GroupConv2d": "test_symmetry_finite",
    "GroupConv3d": "test_symmetry_finite",
    "GroupPool": "test_symmetry_finite",
    "IrrepsLinear": "test_symmetry_e3",
    "NormActivation": "test_symmetry_finite",
    "PointwiseActivation": "test_symmetry_finite",
    "RadialBasis": "test_symmetry_e3",
    "Readout": "test_symmetry_e3",
    "SeparableGroupConv1d": "test_symmetry_finite",
    "SeparableGroupConv2d": "test_symmetry_finite",
    "SeparableGroupConv3d": "test_symmetry_finite",
    "Sequential": "test_symmetry_finite",
    "SharedLinear": "test_symmetry_finite",
    "SpatialPool": "test_symmetry_finite",
    "SphericalHarmonics": "test_symmetry_e3",
}


def public_layers():
    found = {name: getattr(nn, name) for name in nn.__all__}
    return {
        name
        for name, value in found.items()
        if inspect.isclass(value) and issubclass(value, torch_nn.Module) and not inspect.isabstract(value)
        if value is not nn.EquivariantLayer
    }


def test_every_public_layer_is_covered_and_nothing_else_is():
    assert public_layers() == set(COVERED_BY)


@pytest.mark.parametrize("module", sorted(set(COVERED_BY.values())))
def test_tables_hold_the_layers_that_they_are_named_for(module):
    path = Path(__file__).with_name(f"{module}.py")
    spec = importlib.util.spec_from_file_location(f"completeness_{module}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert {name for name, where in COVERED_BY.items() if where == module} == loaded.LAYERS


def test_public_names_exist_and_are_sorted():
    assert len(set(nn.__all__)) == len(nn.__all__)
    assert all(hasattr(nn, name) for name in nn.__all__)
