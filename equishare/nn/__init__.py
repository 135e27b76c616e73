"""Symmetric layers: expand the shared weights, then run a plain torch operation."""

# E(3): features [atom, (l, m), channel]
from equishare.nn.channel_product import ChannelProduct
from equishare.nn.clebsch_gordan import clebsch_gordan
from equishare.nn.density_conv import DensityConv

# finite groups: linear maps and group convolutions
from equishare.nn.export import to_torch
from equishare.nn.field_activation import NormActivation, PointwiseActivation
from equishare.nn.field_dropout import FieldDropout
from equishare.nn.field_norm import FieldBatchNorm, FieldRMSNorm
from equishare.nn.field_pool import GroupPool
from equishare.nn.gate import Gate
from equishare.nn.group_conv import GroupConv1d, GroupConv2d, GroupConv3d
from equishare.nn.irreps_linear import IrrepsLinear
from equishare.nn.kernels import Edges, backend
from equishare.nn.layer import EquivarianceError, EquivariantLayer, SymmetryWarning
from equishare.nn.layout import Layout, from_e3nn, to_e3nn
from equishare.nn.radial_basis import RadialBasis, polynomial_cutoff
from equishare.nn.readout import Readout
from equishare.nn.separable_group_conv import SeparableGroupConv1d, SeparableGroupConv2d, SeparableGroupConv3d
from equishare.nn.sequential import Sequential
from equishare.nn.shared_linear import SharedLinear
from equishare.nn.spatial_pool import SpatialPool
from equishare.nn.spherical_harmonics import SphericalHarmonics

__all__ = [
    "ChannelProduct",
    "DensityConv",
    "Edges",
    "EquivarianceError",
    "EquivariantLayer",
    "FieldBatchNorm",
    "FieldDropout",
    "FieldRMSNorm",
    "Gate",
    "GroupConv1d",
    "GroupConv2d",
    "GroupConv3d",
    "GroupPool",
    "IrrepsLinear",
    "Layout",
    "NormActivation",
    "PointwiseActivation",
    "RadialBasis",
    "Readout",
    "SeparableGroupConv1d",
    "SeparableGroupConv2d",
    "SeparableGroupConv3d",
    "Sequential",
    "SharedLinear",
    "SpatialPool",
    "SphericalHarmonics",
    "SymmetryWarning",
    "backend",
    "clebsch_gordan",
    "from_e3nn",
    "polynomial_cutoff",
    "to_e3nn",
    "to_torch",
]
