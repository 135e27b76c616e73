"""Symmetric layers: expand the shared weights, then run a plain torch operation."""
