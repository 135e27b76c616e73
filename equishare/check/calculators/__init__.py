"""Checks of any ASE calculator for the laws that a potential obeys."""
