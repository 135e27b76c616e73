"""Whole models on the layers of ``equishare.nn``, ready to train."""

from equishare.models.foreground_ari import ForegroundARI, adjusted_rand_index
from equishare.models.object_discovery import Discovery, ObjectDiscovery
from equishare.models.object_discovery_module import ObjectDiscoveryModule
from equishare.models.positions import fourier_positions
from equishare.models.spatial_broadcast import SpatialBroadcastDecoder

__all__ = [
    "Discovery",
    "ForegroundARI",
    "ObjectDiscovery",
    "ObjectDiscoveryModule",
    "SpatialBroadcastDecoder",
    "adjusted_rand_index",
    "fourier_positions",
]
