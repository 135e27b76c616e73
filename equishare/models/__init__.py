"""Whole models made of shared parameters."""

from equishare.models.pair_hmm import PairHMM, SequencePairs

__all__ = ["PairHMM", "SequencePairs"]
