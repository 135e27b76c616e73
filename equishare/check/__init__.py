"""Equivariance and physics checks of any model."""
