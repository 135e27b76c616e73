"""Compiled loop of the sum over an atom's edges of numbers that the edges have."""

from equishare.ops.jit import jit_no_alias


@jit_no_alias
def forward(atoms, rows, out):
    """out[atoms[e], k] += rows[e, k] for each edge e."""
    for e in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            out[atoms[e], k] += rows[e, k]
