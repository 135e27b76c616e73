"""The few hot operations, a folder each: the formula in plain torch, the compiled loops, the GPU's kernels.

``torch.py`` is the formula, ``numba.py`` the loops over arrays, ``triton.py`` the GPU's kernels, ``operation.py`` what a layer calls: it
chooses among them (`equishare.ops.backend`). Nothing is imported here, and no ``numba.py`` knows of torch: loops are
compiled ahead by processes that start in a tenth of a second (`equishare.ops.ahead`).
"""
