"""The channel-wise product in plain torch."""

from torch import Tensor

from equishare.ops.channel_product.coupling import Coupling


def channel_product(left: Tensor, right: Tensor, weight: Tensor, kind: Tensor, coupling: Coupling) -> Tensor:
    """The formula; shapes as in `equishare.ops.channel_product.operation.channel_product`."""
    path, component, first, second, coefficient = coupling.tensors(left.dtype, left.device)
    terms = left[first] * right[second] * weight[kind][:, path].transpose(0, 1) * coefficient[:, None, None]
    zeros = terms.new_zeros(coupling.out.dim, *terms.shape[1:])
    return zeros.index_add(0, component, terms)
