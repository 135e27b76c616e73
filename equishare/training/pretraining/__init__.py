"""Pretraining on frames of a cheap method."""
