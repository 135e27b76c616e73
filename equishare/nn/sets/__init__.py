"""Layers of sets: permutations act on the elements."""
