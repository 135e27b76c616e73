"""Labelled frames: reading them from files, what is in them and what is wrong with them, and their division into parts."""
