"""Errors of a potential on labelled frames, and how well it knows them."""
