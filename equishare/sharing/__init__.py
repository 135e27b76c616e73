"""Which weights are the same: sharing patterns and the solver that finds them."""

from equishare.sharing.basis_pattern import BasisPattern
from equishare.sharing.bilinear import bilinear
from equishare.sharing.block_pattern import BlockPattern
from equishare.sharing.composed_pattern import ComposedPattern, compose
from equishare.sharing.group_convolution import group_convolution
from equishare.sharing.hashing import hashed, signed_hash
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.parameter_map import ParameterMap
from equishare.sharing.pattern import SharingError, SharingPattern, span_distance, subspace_distance
from equishare.sharing.pattern_picture import picture
from equishare.sharing.permutation_maps import permutation_maps
from equishare.sharing.repeated_pattern import RepeatedPattern
from equishare.sharing.report import Report, report
from equishare.sharing.reshaped_pattern import ReshapedPattern
from equishare.sharing.shared_weights import Call, SharedWeight, SharedWeights
from equishare.sharing.soft import GeometricSchedule, SoftSharing, pairwise_penalty, pattern_penalty
from equishare.sharing.solver import null_space, solve
from equishare.sharing.steerable import solve_steerable, steerable_convolution
from equishare.sharing.tie import share, tie
from equishare.sharing.toeplitz import toeplitz

__all__ = [
    "BasisPattern",
    "BlockPattern",
    "Call",
    "ComposedPattern",
    "GeometricSchedule",
    "IndexPattern",
    "ParameterMap",
    "RepeatedPattern",
    "Report",
    "ReshapedPattern",
    "SharedWeight",
    "SharedWeights",
    "SharingError",
    "SharingPattern",
    "SoftSharing",
    "bilinear",
    "compose",
    "group_convolution",
    "hashed",
    "null_space",
    "pairwise_penalty",
    "pattern_penalty",
    "permutation_maps",
    "picture",
    "report",
    "share",
    "signed_hash",
    "solve",
    "solve_steerable",
    "span_distance",
    "steerable_convolution",
    "subspace_distance",
    "tie",
    "toeplitz",
]
