"""Compiled loop that picks the near ones out of a list of pairs."""

from equishare.ops.jit import jit_no_alias


@jit_no_alias
def forward(positions, cell, sender, receiver, shift, squared, found, vectors, count):
    """The numbers and vectors, x_s + cells - x_r, of pairs closer than a cutoff; `count` says how many there are."""
    n = 0
    for e in range(sender.shape[0]):
        s, r, length = sender[e], receiver[e], 0.0
        for k in range(3):
            x = positions[s, k] - positions[r, k]
            if shift.shape[0]:
                x += shift[e, 0] * cell[0, k] + shift[e, 1] * cell[1, k] + shift[e, 2] * cell[2, k]
            vectors[n, k] = x
            length += x * x
        found[n] = e
        if length < squared:
            n += 1
    count[0] = n
