"""Layers for E(3): features are irreps of O(3), stored [atom, (l, m), channel]."""
