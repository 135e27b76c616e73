"""The tensor product with harmonics in plain torch."""

import torch
from torch import Tensor

from equishare.ops.edges import Edges
from equishare.ops.tensor_product.paths import TensorProductPaths


def tensor_product(
    features: Tensor, harmonics: Tensor, weight: Tensor, edges: Edges, paths: TensorProductPaths
) -> Tensor:
    """The formula; shapes as in `equishare.ops.tensor_product.operation.tensor_product`."""
    sent = features[edges.sender]
    terms = []
    for p, (left, right, coefficients) in enumerate(paths.tensors(features)):
        matrix = torch.einsum("ijk,ej->eki", coefficients, harmonics[:, right])
        terms.append(torch.bmm(matrix, sent[:, left] * weight[:, p : p + 1]))
    messages = torch.cat(terms, dim=1)
    return messages.new_zeros(edges.n_atoms, *messages.shape[1:]).index_add(0, edges.receiver, messages)
