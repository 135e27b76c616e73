"""Tensor products that take every path."""

from __future__ import annotations

from typing import Literal

from equishare._e3nn import o3
from equishare.nn.e3.tensor_product import TensorProduct
from equishare.nn.layer import LayerError
from equishare.ops.layout import IrrepsLike, read_irreps


class FullyConnectedTensorProduct(TensorProduct):
    """All products of two features to some irreps, each pair of copies with a weight for each copy of the output.

    ``TensorProduct`` with every path, mode "uvw"; the same maps as ``Bilinear`` between representations of O(3), found faster for many copies. Law: f(g x, g y) = g f(x, y) for g in O(3), exact.

    Args:
        irreps_left: Irreps of the first factor.
        irreps_right: Irreps of the second factor.
        irreps_out: Irreps of the product.
        weight: As for ``TensorProduct``.

    Shapes:
        ``[..., irreps_left.dim]`` and ``[..., irreps_right.dim]`` -> ``[..., irreps_out.dim]``, e3nn's flat layout.

    >>> import torch
    >>> FullyConnectedTensorProduct("3x0e+2x1o", "0e+1o", "2x0e+5x1o")(torch.randn(4, 9), torch.randn(4, 4)).shape
    torch.Size([4, 17])
    """

    def __init__(
        self,
        irreps_left: IrrepsLike,
        irreps_right: IrrepsLike,
        irreps_out: IrrepsLike,
        weight: Literal["own", "given"] = "own",
    ) -> None:
        super().__init__(irreps_left, irreps_right, irreps_out, weight=weight)


class FullTensorProduct(TensorProduct):
    """The whole tensor product of two features, taken apart into irreps: an orthogonal change of basis, up to the scale of each irrep.

    ``TensorProduct`` with every path, each to an entry of its own, mode "uvuv", without weights. The order is e3nn's: by irrep, then by the
    entries of the factors. Law: f(g x, g y) = g f(x, y) for g in O(3), exact.

    Args:
        irreps_left: Irreps of the first factor.
        irreps_right: Irreps of the second factor.
        keep: Irreps to compute, such as ``"0e+1o"``; all by default.

    Attributes:
        irreps_out: What comes out.

    Shapes:
        ``[..., irreps_left.dim]`` and ``[..., irreps_right.dim]`` -> ``[..., irreps_out.dim]``, e3nn's flat layout.

    Raises:
        LayerError: nothing of ``keep`` is reached, or as ``TensorProduct``.

    >>> import torch
    >>> product = FullTensorProduct("2x0e+1o", "1o")
    >>> product.irreps_out, product(torch.randn(4, 5), torch.randn(4, 3)).shape
    (1x0e+2x1o+1x1e+1x2e, torch.Size([4, 15]))
    """

    def __init__(self, irreps_left: IrrepsLike, irreps_right: IrrepsLike, keep: IrrepsLike | None = None) -> None:
        left, right = ([(mul, ir) for mul, ir in read_irreps(irreps) if mul] for irreps in (irreps_left, irreps_right))
        wanted = None if keep is None else {ir for _, ir in read_irreps(keep)}
        found = sorted(
            (ir, i, j, u * v)
            for i, (u, a) in enumerate(left)
            for j, (v, b) in enumerate(right)
            for ir in a * b
            if wanted is None or ir in wanted
        )
        if not found:
            raise LayerError(f"{irreps_left} x {irreps_right} reaches nothing of {keep}")
        paths = [(i, j, k) for k, (_, i, j, _) in enumerate(found)]
        super().__init__(
            irreps_left, irreps_right, o3.Irreps([(mul, ir) for ir, *_, mul in found]), paths, "uvuv", "none"
        )
