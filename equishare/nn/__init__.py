"""Symmetric layers: expand the shared weights, then run a plain torch operation."""

from typing import Any

from equishare.nn.e3.channel_product import ChannelProduct
from equishare.nn.e3.channel_tensor_product import ChannelTensorProduct
from equishare.nn.e3.density_conv import DensityConv, natural_irreps
from equishare.nn.e3.full_tensor_product import FullTensorProduct, FullyConnectedTensorProduct
from equishare.nn.e3.gate import Gate
from equishare.nn.e3.irreps_linear import IrrepsLinear
from equishare.nn.e3.radial_basis import RadialBasis
from equishare.nn.e3.readout import Readout
from equishare.nn.e3.spherical_harmonics import SphericalHarmonics
from equishare.nn.e3.tensor_product import TensorProduct
from equishare.nn.emlp import EMLP, emlp
from equishare.nn.export import to_torch
from equishare.nn.feature_types import FeatureType, Invariants, fits
from equishare.nn.fields.activation import NormActivation, PointwiseActivation
from equishare.nn.fields.antialiased_pool import AntialiasedPool
from equishare.nn.fields.bilinear import Bilinear
from equishare.nn.fields.dropout import FieldDropout
from equishare.nn.fields.field_attention import FieldAttention, FieldMLP, FieldTransformerBlock
from equishare.nn.fields.fourier_activation import FourierActivation
from equishare.nn.fields.gated_activation import GatedActivation
from equishare.nn.fields.group_conv import GroupConv1d, GroupConv2d, GroupConv3d
from equishare.nn.fields.group_conv_transpose import GroupConvTranspose1d, GroupConvTranspose2d, GroupConvTranspose3d
from equishare.nn.fields.layer_norm import FieldLayerNorm
from equishare.nn.fields.norm import FieldBatchNorm, FieldRMSNorm
from equishare.nn.fields.point_attention import PointAttention, PointTransformerBlock
from equishare.nn.fields.point_conv import PointConv
from equishare.nn.fields.pool import GroupPool
from equishare.nn.fields.product_activation import TensorProductActivation
from equishare.nn.fields.resample import AdaptivePool, FieldUpsample, GlobalPool
from equishare.nn.fields.sampled_functions import SampledFunctions
from equishare.nn.fields.separable_group_conv import SeparableGroupConv1d, SeparableGroupConv2d, SeparableGroupConv3d
from equishare.nn.fields.shared_linear import SharedLinear
from equishare.nn.fields.spatial_pool import SpatialPool
from equishare.nn.fields.unet import UNet, UNetBlock
from equishare.nn.fields.vector_activation import VectorFieldActivation
from equishare.nn.layer import EquivarianceError, FieldLayer, Layer, LayerError, SymmetryWarning
from equishare.nn.sequential import Sequential
from equishare.nn.sets.attention_pool import AttentionPool
from equishare.nn.sets.features import SetFeatures
from equishare.nn.sets.graph_linear import GraphLinear
from equishare.nn.sets.induced_set_attention_block import InducedSetAttentionBlock
from equishare.nn.sets.padding import from_padded, to_padded
from equishare.nn.sets.permutation_linear import PermutationLinear
from equishare.nn.sets.permutation_tensor_linear import PermutationTensorLinear
from equishare.nn.sets.set_attention import SetAttention
from equishare.nn.sets.set_attention_block import SetAttentionBlock
from equishare.nn.sets.set_linear import SetLinear
from equishare.nn.sets.set_pool import SetPool
from equishare.nn.sets.slot_attention import SlotAttention
from equishare.nn.sets.sparse_tensor_linear import SparseTensorLinear
from equishare.nn.tied.equilibrium import Equilibrium
from equishare.nn.tied.fixed_point import Convergence, ConvergenceError, ConvergenceWarning, fixed_point
from equishare.nn.tied.hashed_embedding import HashedEmbedding
from equishare.nn.tied.hashed_linear import HashedLinear
from equishare.nn.tied.iterated import Iterated
from equishare.nn.tied.locally_connected import LocallyConnected1d, LocallyConnected2d
from equishare.nn.tied.siamese import Siamese
from equishare.nn.tied.tied_autoencoder import TiedAutoencoder
from equishare.nn.tied.tied_embedding import TiedEmbedding
from equishare.nn.tied.tied_lstm import TiedInputLSTM
from equishare.ops.backend import backend
from equishare.ops.clebsch_gordan import clebsch_gordan
from equishare.ops.edge_functions.torch import polynomial_cutoff
from equishare.ops.edges import Edges
from equishare.ops.layout import Layout, from_e3nn, to_e3nn
from equishare.renamed import renamed

__all__ = [
    "EMLP",
    "AdaptivePool",
    "AntialiasedPool",
    "AttentionPool",
    "Bilinear",
    "ChannelProduct",
    "ChannelTensorProduct",
    "Convergence",
    "ConvergenceError",
    "ConvergenceWarning",
    "DensityConv",
    "Edges",
    "Equilibrium",
    "EquivarianceError",
    "FeatureType",
    "FieldAttention",
    "FieldBatchNorm",
    "FieldDropout",
    "FieldLayer",
    "FieldLayerNorm",
    "FieldMLP",
    "FieldRMSNorm",
    "FieldTransformerBlock",
    "FieldUpsample",
    "FourierActivation",
    "FullTensorProduct",
    "FullyConnectedTensorProduct",
    "Gate",
    "GatedActivation",
    "GlobalPool",
    "GraphLinear",
    "GroupConv1d",
    "GroupConv2d",
    "GroupConv3d",
    "GroupConvTranspose1d",
    "GroupConvTranspose2d",
    "GroupConvTranspose3d",
    "GroupPool",
    "HashedEmbedding",
    "HashedLinear",
    "InducedSetAttentionBlock",
    "Invariants",
    "IrrepsLinear",
    "Iterated",
    "Layer",
    "LayerError",
    "Layout",
    "LocallyConnected1d",
    "LocallyConnected2d",
    "NormActivation",
    "PermutationLinear",
    "PermutationTensorLinear",
    "PointAttention",
    "PointConv",
    "PointTransformerBlock",
    "PointwiseActivation",
    "RadialBasis",
    "Readout",
    "SampledFunctions",
    "SeparableGroupConv1d",
    "SeparableGroupConv2d",
    "SeparableGroupConv3d",
    "Sequential",
    "SetAttention",
    "SetAttentionBlock",
    "SetFeatures",
    "SetLinear",
    "SetPool",
    "SharedLinear",
    "Siamese",
    "SlotAttention",
    "SparseTensorLinear",
    "SpatialPool",
    "SphericalHarmonics",
    "SymmetryWarning",
    "TensorProduct",
    "TensorProductActivation",
    "TiedAutoencoder",
    "TiedEmbedding",
    "TiedInputLSTM",
    "UNet",
    "UNetBlock",
    "VectorFieldActivation",
    "backend",
    "clebsch_gordan",
    "emlp",
    "fits",
    "fixed_point",
    "from_e3nn",
    "from_padded",
    "natural_irreps",
    "polynomial_cutoff",
    "to_e3nn",
    "to_padded",
    "to_torch",
]


def __getattr__(name: str) -> Any:
    return renamed(__name__, name)
