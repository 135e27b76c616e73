"""Checks of any model for a symmetry: f(g x) against g f(x), judged by the model's own rounding."""
