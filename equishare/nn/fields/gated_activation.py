"""Nonlinearities by gates: for representations of any kind, lengths kept or not."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.groups.intertwiners import fields_of
from equishare.groups.representation import Representation
from equishare.nn.layer import FieldLayer


class GatedActivation(FieldLayer):
    r"""SiLU on invariants; every other field is multiplied by the sigmoid of an invariant of its own.

    The input is the fields, then one more invariant for each field that moves: ``rep_in = rep + gates``. Law: f(rho_in(g) x) =
    rho(g) f(x), exact for every representation of every group, Lorentz included.

    Args:
        rep: representation of the output.

    Shapes:
        ``[batch, rep_in.size, *space]``, gates last -> ``[batch, rep.size, *space]``.

    Raises:
        LayerError: an input does not fit.

    Weiler et al. 2018, "3D Steerable CNNs".

    >>> from equishare import groups
    >>> V = groups.lorentz().defining()
    >>> gated = GatedActivation(4 * groups.lorentz().trivial() + 2 * V)
    >>> gated.rep_in.size, gated(torch.randn(3, 14)).shape
    (14, torch.Size([3, 12]))
    """

    def __init__(self, rep: Representation) -> None:
        self_fields = [(count, field.size, field.invariants is not None) for count, field in fields_of(rep)]
        gates = sum(count for count, _, still in self_fields if not still)
        super().__init__(rep + gates * rep.group.trivial() if gates else rep, rep)
        self.fields, self.gates = self_fields, gates

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch out *space"]:
        """The gated fields."""
        self._check_channels(x)
        values, gates = x.split([self.out_channels, self.gates], dim=1)
        opened = torch.sigmoid(gates)
        out, used = [], 0
        for part, (count, size, still) in zip(
            values.split([c * s for c, s, _ in self.fields], dim=1), self.fields, strict=True
        ):
            if still:
                out.append(torch.nn.functional.silu(part))
                continue
            own = opened[:, used : used + count]
            out.append(part * own.repeat_interleave(size, dim=1))
            used += count
        return torch.cat(out, dim=1)
