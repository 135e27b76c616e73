"""The edge sum in plain torch."""

import torch
from torch import Tensor

from equishare.ops.components import component_degrees
from equishare.ops.edges import Edges


def edge_sum(radial: Tensor, scalars: Tensor, features: Tensor, harmonics: Tensor, edges: Edges) -> Tensor:
    """The formula; shapes as in `equishare.ops.edge_sum.operation.edge_sum`."""
    degree = torch.from_numpy(component_degrees(int(harmonics.shape[1]))).to(radial.device)
    sender = edges.sender
    sent = scalars[sender].unsqueeze(1) * harmonics.unsqueeze(2)
    if features.shape[0]:
        rest = harmonics.shape[1] - 1 - features.shape[0]
        sent = sent + torch.nn.functional.pad(features[:, sender].transpose(0, 1), (0, 0, 1, rest))
    terms = radial[:, degree] * sent
    zeros = terms.new_zeros(scalars.shape[0], *terms.shape[1:])
    return zeros.index_add(0, edges.receiver, terms).transpose(0, 1)
