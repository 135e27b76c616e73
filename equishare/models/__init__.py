"""Whole models on the layers of ``equishare.nn``, ready to train."""

from equishare.models.foreground_ari import ForegroundARI, adjusted_rand_index
from equishare.models.object_discovery import Discovery, ObjectDiscovery
from equishare.models.object_discovery_module import ObjectDiscoveryModule
from equishare.models.pair_hmm import PairHMM, SequencePairs
from equishare.models.relative_positions import RelativePositions, cell_centres, fourier_features
from equishare.models.relative_readout import RelativeReadout
from equishare.models.spatial_broadcast import SpatialBroadcastDecoder

__all__ = [
    "Discovery",
    "ForegroundARI",
    "ObjectDiscovery",
    "ObjectDiscoveryModule",
    "PairHMM",
    "RelativePositions",
    "RelativeReadout",
    "SequencePairs",
    "SpatialBroadcastDecoder",
    "adjusted_rand_index",
    "cell_centres",
    "fourier_features",
]
