"""The sum over neighbours of their features and harmonics, weighted by radial functions."""
