"""Symmetric layers: expand the shared weights, then run a plain torch operation."""

# finite groups: linear maps and group convolutions
from equishare.nn.export import to_torch
from equishare.nn.field_activation import NormActivation, PointwiseActivation
from equishare.nn.field_dropout import FieldDropout
from equishare.nn.field_norm import FieldBatchNorm, FieldRMSNorm
from equishare.nn.field_pool import GroupPool
from equishare.nn.group_conv import GroupConv1d, GroupConv2d, GroupConv3d
from equishare.nn.layer import EquivarianceError, EquivariantLayer, SymmetryWarning
from equishare.nn.separable_group_conv import SeparableGroupConv1d, SeparableGroupConv2d, SeparableGroupConv3d
from equishare.nn.sequential import Sequential
from equishare.nn.shared_linear import SharedLinear
from equishare.nn.spatial_pool import SpatialPool

__all__ = [
    "EquivarianceError",
    "EquivariantLayer",
    "FieldBatchNorm",
    "FieldDropout",
    "FieldRMSNorm",
    "GroupConv1d",
    "GroupConv2d",
    "GroupConv3d",
    "GroupPool",
    "NormActivation",
    "PointwiseActivation",
    "SeparableGroupConv1d",
    "SeparableGroupConv2d",
    "SeparableGroupConv3d",
    "Sequential",
    "SharedLinear",
    "SpatialPool",
    "SymmetryWarning",
    "to_torch",
]
