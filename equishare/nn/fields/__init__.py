"""Layers for finite groups: channels are copies of a representation, convolutions share rotated filters."""
