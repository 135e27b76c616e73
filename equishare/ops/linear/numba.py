"""Compiled loop of linear maps: rows times matrices, one matrix a degree, shared by its components.

What a small molecule asks for are many products of a dozen rows with matrices that together fill the second cache: shared matrices are a
quarter of expanded ones to read, and a call costs a tenth of one through torch.
"""

from equishare.ops.jit import jit_no_alias


@jit_no_alias
def forward(rows, a, start, w, matrix, out, start_out, add):
    """out[k, start_out + r] = a[k, start + r] w[matrix[k]] for each r < rows and k < len(matrix); with `add` that is added."""
    fours = w.shape[1] - w.shape[1] % 4
    for k in range(matrix.shape[0]):
        m = matrix[k]
        if not add:
            for r in range(rows):
                for c in range(out.shape[2]):
                    out[k, start_out + r, c] = 0
        r = 0
        while r < rows:
            p, q = start + r, start_out + r
            n = 3 if r + 3 <= rows else 1
            # three rows or one, four inputs at a time
            if n == 3:
                for i in range(0, fours, 4):
                    a0, a1, a2 = a[k, p, i], a[k, p + 1, i], a[k, p + 2, i]
                    b0, b1, b2 = a[k, p, i + 1], a[k, p + 1, i + 1], a[k, p + 2, i + 1]
                    c0, c1, c2 = a[k, p, i + 2], a[k, p + 1, i + 2], a[k, p + 2, i + 2]
                    d0, d1, d2 = a[k, p, i + 3], a[k, p + 1, i + 3], a[k, p + 2, i + 3]
                    for c in range(out.shape[2]):
                        v0, v1, v2, v3 = w[m, i, c], w[m, i + 1, c], w[m, i + 2, c], w[m, i + 3, c]
                        out[k, q, c] += a0 * v0 + b0 * v1 + c0 * v2 + d0 * v3
                        out[k, q + 1, c] += a1 * v0 + b1 * v1 + c1 * v2 + d1 * v3
                        out[k, q + 2, c] += a2 * v0 + b2 * v1 + c2 * v2 + d2 * v3
            else:
                for i in range(0, fours, 4):
                    a0, b0, c0, d0 = a[k, p, i], a[k, p, i + 1], a[k, p, i + 2], a[k, p, i + 3]
                    for c in range(out.shape[2]):
                        out[k, q, c] += (
                            a0 * w[m, i, c] + b0 * w[m, i + 1, c] + c0 * w[m, i + 2, c] + d0 * w[m, i + 3, c]
                        )
            for j in range(n):
                for i in range(fours, w.shape[1]):
                    a0 = a[k, p + j, i]
                    for c in range(out.shape[2]):
                        out[k, q + j, c] += a0 * w[m, i, c]
            r += n
