"""Layers whose parameters are used more than once: over positions, gates, depth, hashes, twins, encoder and decoder."""
