"""The hot loops over arrays, compiled by numba; nothing here knows of torch."""
