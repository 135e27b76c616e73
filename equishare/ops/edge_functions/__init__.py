"""Radial functions, envelope and harmonics of edge vectors."""
