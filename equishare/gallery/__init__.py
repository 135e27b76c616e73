"""Whole models on the layers of ``equishare.nn``, ready to train.

The recipe and the metric of object discovery are Lightning's and torchmetrics': they need ``pip install 'equishare[gallery]'`` and load
on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from equishare.errors import EquishareError
from equishare.gallery.object_discovery import Discovery, ObjectDiscovery
from equishare.gallery.pair_hmm import PairHMM, SequencePairs
from equishare.gallery.rand_index import adjusted_rand_index
from equishare.gallery.relative_positions import RelativePositions, cell_centres, fourier_features
from equishare.gallery.relative_readout import RelativeReadout
from equishare.gallery.spatial_broadcast import SpatialBroadcastDecoder

if TYPE_CHECKING:
    from equishare.gallery.foreground_ari import ForegroundARI
    from equishare.gallery.object_discovery_module import ObjectDiscoveryModule

_OPTIONAL = {"ForegroundARI": "foreground_ari", "ObjectDiscoveryModule": "object_discovery_module"}

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


def __getattr__(name: str) -> Any:
    if name not in _OPTIONAL:
        raise AttributeError(f"module 'equishare.gallery' has no attribute {name!r}")
    try:
        return getattr(import_module(f"equishare.gallery.{_OPTIONAL[name]}"), name)
    except ModuleNotFoundError as error:
        raise EquishareError(f"{name} needs {error.name}: pip install 'equishare[gallery]'") from error
