"""Sums of numbers of edges over the edges of each atom."""
