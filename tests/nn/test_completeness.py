"""Every public layer stands in a table of symmetry tests: list, package and tables agree."""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest
from torch import nn as torch_nn

from equishare import nn

# public layer -> the folder whose test_symmetry.py (tied: test_sharing.py), or the file that, tests it in its table CASES and names it in LAYERS
COVERED_BY = {
    "AdaptivePool": "fields",
    "AntialiasedPool": "fields",
    "AttentionPool": "sets",
    "FieldAttention": "fields",
    "FieldLayerNorm": "fields",
    "FieldMLP": "fields",
    "FieldTransformerBlock": "fields",
    "FourierActivation": "fields",
    "FullTensorProduct": "e3",
    "FullyConnectedTensorProduct": "e3",
    "GroupConvTranspose1d": "fields",
    "GroupConvTranspose2d": "fields",
    "GroupConvTranspose3d": "fields",
    "PointAttention": "fields/test_any_group",
    "PointTransformerBlock": "fields/test_any_group",
    "TensorProduct": "e3",
    "TensorProductActivation": "fields",
    "UNet": "fields",
    "UNetBlock": "fields",
    "VectorFieldActivation": "fields",
    "Bilinear": "fields/test_any_group",
    "ChannelProduct": "e3",
    "ChannelTensorProduct": "e3",
    "DensityConv": "e3",
    "EMLP": "fields/test_any_group",
    "Equilibrium": "tied",
    "FieldBatchNorm": "fields",
    "FieldDropout": "fields",
    "FieldRMSNorm": "fields",
    "FieldUpsample": "fields",
    "Gate": "e3",
    "GlobalPool": "fields",
    "GatedActivation": "fields/test_any_group",
    "GraphLinear": "sets",
    "GroupConv1d": "fields",
    "GroupConv2d": "fields",
    "GroupConv3d": "fields",
    "GroupPool": "fields",
    "InducedSetAttentionBlock": "sets",
    "HashedEmbedding": "tied",
    "HashedLinear": "tied",
    "IrrepsLinear": "e3",
    "Iterated": "tied",
    "LocallyConnected1d": "tied",
    "LocallyConnected2d": "tied",
    "NormActivation": "fields",
    "PermutationLinear": "sets",
    "PermutationTensorLinear": "sets",
    "SparseTensorLinear": "sets/test_permutation_tensors",
    "PointConv": "fields/test_any_group",
    "PointwiseActivation": "fields",
    "RadialBasis": "e3",
    "Readout": "e3",
    "SeparableGroupConv1d": "fields",
    "SeparableGroupConv2d": "fields",
    "SeparableGroupConv3d": "fields",
    "Sequential": "fields",
    "SetAttention": "sets",
    "SetAttentionBlock": "sets",
    "SetLinear": "sets",
    "SetPool": "sets",
    "SharedLinear": "fields",
    "Siamese": "tied",
    "SlotAttention": "sets/test_slot_attention",
    "SpatialPool": "fields",
    "SphericalHarmonics": "e3",
    "TiedAutoencoder": "tied",
    "TiedEmbedding": "tied",
    "TiedInputLSTM": "tied",
}


def public_layers():
    found = {name: getattr(nn, name) for name in nn.__all__}
    return {
        name
        for name, value in found.items()
        if inspect.isclass(value) and issubclass(value, torch_nn.Module) and not inspect.isabstract(value)
        if value not in (nn.Layer, nn.FieldLayer)
    }


def test_every_public_layer_is_covered_and_nothing_else_is():
    assert public_layers() == set(COVERED_BY)


@pytest.mark.parametrize("folder", sorted(set(COVERED_BY.values())))
def test_tables_hold_the_layers_that_they_are_named_for(folder):
    # the content of tied layers is sharing; what laws they have, their own tests hold
    path = Path(__file__).parent / folder
    table = "test_sharing.py" if folder == "tied" else "test_symmetry.py"
    path = path / table if path.is_dir() else path.with_suffix(".py")
    spec = importlib.util.spec_from_file_location(f"completeness_{path.parent.name}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert {name for name, where in COVERED_BY.items() if where == folder} == loaded.LAYERS


def test_public_names_exist_and_are_sorted():
    assert len(set(nn.__all__)) == len(nn.__all__)
    assert all(hasattr(nn, name) for name in nn.__all__)


@pytest.mark.parametrize("name", sorted(public_layers()))
def test_docstrings_say_law_shapes_and_use(name):
    doc = inspect.getdoc(getattr(nn, name))
    twin = re.search(r"see ``(\w+)``|as for :class:`(\w+)`|of ``(\w+)`` in", doc)
    if twin:  # the other dimensions of a layer are told once
        doc += inspect.getdoc(getattr(nn, next(filter(None, twin.groups()))))
    assert ">>>" in doc
    assert re.search(r"\b[Ll]aw\b|[Ee]xact|[Ee]quivarian|[Ii]nvariant|Not a symmetry", doc)
    assert re.search(r"Shapes:|\[\w+, ", doc)
