"""Every public layer stands in a table of symmetry tests: list, package and tables agree."""

import importlib.util
import inspect
from pathlib import Path

import pytest
from torch import nn as torch_nn

from equishare import nn

# public layer -> the folder whose test_symmetry.py, or the file that, tests it in its table CASES and names it in LAYERS
COVERED_BY = {
    "ChannelProduct": "e3",
    "DensityConv": "e3",
    "FieldBatchNorm": "fields",
    "FieldDropout": "fields",
    "FieldRMSNorm": "fields",
    "Gate": "e3",
    "GroupConv1d": "fields",
    "GroupConv2d": "fields",
    "GroupConv3d": "fields",
    "GroupPool": "fields",
    "IrrepsLinear": "e3",
    "NormActivation": "fields",
    "PointwiseActivation": "fields",
    "RadialBasis": "e3",
    "Readout": "e3",
    "SeparableGroupConv1d": "fields",
    "SeparableGroupConv2d": "fields",
    "SeparableGroupConv3d": "fields",
    "Sequential": "fields",
    "SharedLinear": "fields",
    "SlotAttention": "sets/test_slot_attention",
    "SpatialPool": "fields",
    "SphericalHarmonics": "e3",
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


@pytest.mark.parametrize("folder", sorted(set(COVERED_BY.values())))
def test_tables_hold_the_layers_that_they_are_named_for(folder):
    path = Path(__file__).parent / folder
    path = path / "test_symmetry.py" if path.is_dir() else path.with_suffix(".py")
    spec = importlib.util.spec_from_file_location(f"completeness_{path.parent.name}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert {name for name, where in COVERED_BY.items() if where == folder} == loaded.LAYERS


def test_public_names_exist_and_are_sorted():
    assert len(set(nn.__all__)) == len(nn.__all__)
    assert all(hasattr(nn, name) for name in nn.__all__)
