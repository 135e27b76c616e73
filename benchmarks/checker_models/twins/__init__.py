"""Broken models with a known culprit, and their correct twins."""
