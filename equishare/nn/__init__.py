"""Symmetric layers: expand the shared weights, then run a plain torch operation."""

from equishare.nn.e3.channel_product import ChannelProduct
from equishare.nn.e3.clebsch_gordan import clebsch_gordan
from equishare.nn.e3.density_conv import DensityConv
from equishare.nn.e3.gate import Gate
from equishare.nn.e3.irreps_linear import IrrepsLinear
from equishare.nn.e3.kernels import Edges, backend
from equishare.nn.e3.layout import Layout, from_e3nn, to_e3nn
from equishare.nn.e3.radial_basis import RadialBasis, polynomial_cutoff
from equishare.nn.e3.readout import Readout
from equishare.nn.e3.spherical_harmonics import SphericalHarmonics
from equishare.nn.export import to_torch
from equishare.nn.fields.activation import NormActivation, PointwiseActivation
from equishare.nn.fields.dropout import FieldDropout
from equishare.nn.fields.group_conv import GroupConv1d, GroupConv2d, GroupConv3d
from equishare.nn.fields.norm import FieldBatchNorm, FieldRMSNorm
from equishare.nn.fields.pool import GroupPool
from equishare.nn.fields.separable_group_conv import SeparableGroupConv1d, SeparableGroupConv2d, SeparableGroupConv3d
from equishare.nn.fields.shared_linear import SharedLinear
from equishare.nn.fields.spatial_pool import SpatialPool
from equishare.nn.layer import EquivarianceError, EquivariantLayer, SymmetryWarning
from equishare.nn.sequential import Sequential
from equishare.nn.sets.slot_attention import SlotAttention

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
    "SlotAttention",
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
