"""Whole models on the layers of ``equishare.nn``, ready to train."""

from equishare.gallery.foreground_ari import ForegroundARI, adjusted_rand_index
from equishare.gallery.object_discovery import Discovery, ObjectDiscovery
from equishare.gallery.object_discovery_module import ObjectDiscoveryModule
from equishare.gallery.pair_hmm import PairHMM, SequencePairs
from equishare.gallery.relative_positions import RelativePositions, cell_centres, fourier_features
from equishare.gallery.relative_readout import RelativeReadout
from equishare.gallery.spatial_broadcast import SpatialBroadcastDecoder

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
