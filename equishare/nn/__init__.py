"""Symmetric layers: expand the shared weights, then run a plain torch operation."""

# E(3): features [atom, (l, m), channel]
from equishare.nn.channel_product import ChannelProduct
from equishare.nn.clebsch_gordan import clebsch_gordan
from equishare.nn.density_conv import DensityConv
from equishare.nn.gate import Gate
from equishare.nn.irreps_linear import IrrepsLinear
from equishare.nn.kernels import Edges, backend
from equishare.nn.layout import Layout, from_e3nn, to_e3nn
from equishare.nn.radial_basis import RadialBasis, polynomial_cutoff
from equishare.nn.readout import Readout
from equishare.nn.spherical_harmonics import SphericalHarmonics

__all__ = [
    "ChannelProduct",
    "DensityConv",
    "Edges",
    "Gate",
    "IrrepsLinear",
    "Layout",
    "RadialBasis",
    "Readout",
    "SphericalHarmonics",
    "backend",
    "clebsch_gordan",
    "from_e3nn",
    "polynomial_cutoff",
    "to_e3nn",
]
