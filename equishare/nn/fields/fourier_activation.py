"""Any function of a field's values: from coefficients to samples and back."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.groups.finite import FiniteGroup
from equishare.groups.group import Group
from equishare.nn.fields.activation import ENTRYWISE
from equishare.nn.fields.sampled_functions import SampledFunctions
from equishare.nn.layer import EquivarianceError, FieldLayer
from equishare.sharing.pattern import near


class FourierActivation(FieldLayer):
    r"""A function of the values of band-limited functions on a group or its sphere: coefficients, samples, the function, coefficients.

    .. math:: y_u = A^+ f(A x_u), \qquad A_{sc} = \text{value of the function with coefficient } c \text{ at sample } s

    Law: f(rho(g) x) = rho(g) f(x), exact for finite groups and for those g that move the samples among themselves (turns by 2 pi / samples
    in the plane); for the others up to the error of sampling, which falls with the number of samples, faster for smooth functions.
    Relative errors in percent for 2, 4, 8 and 16 samples a coefficient, with ELU (``python benchmarks/sampled_activations.py`` prints more):

    ==================  ====  =====  =====  ======
    space, degree          2      4      8      16
    ==================  ====  =====  =====  ======
    SO(2), O(2), 3       0.9   0.12  0.014  0.0013
    SO(3), 2              15    7.3    2.9     0.8
    sphere of O(3), 2      7    1.6    0.4     0.1
    ==================  ====  =====  =====  ======

    Args:
        group: SO(2), O(2), SO(3), O(3), or a finite group.
        fields: number of fields.
        degree: highest frequency or degree of a field; None for finite groups, whose fields hold all irreps.
        function: an entrywise torch activation; ELU by default.
        samples: number of them; by default four times as many as a field has coefficients in the plane, eight times in space.
        space: "group"; "sphere" for functions on the circle or sphere, which are fewer (one copy of each irrep); a subgroup H of a
            finite group for functions on its cosets.

    Attributes:
        field: how the group acts on one field, to be the ``field_out`` of the layer before: a sum of irreps.

    Shapes:
        ``[batch, channels, *space]`` -> the same.

    Raises:
        EquivarianceError: another group, too few samples, or a function that is not entrywise.

    Cohen et al. 2018, "Spherical CNNs"; Weiler & Cesa 2019; de Haan et al. 2021, "Gauge Equivariant Mesh CNNs".

    >>> from equishare import groups, nn
    >>> SO2 = groups.so2()
    >>> act = nn.FourierActivation(SO2, 8, degree=2)
    >>> act.field
    trivial(SO(2)) + irrep(SO(2), 1) + irrep(SO(2), 2)
    >>> net = nn.Sequential(nn.GroupConv2d(SO2, 1, 8, 5, lifting=True, field_out=act.field), act)
    >>> net(torch.randn(1, 1, 9, 9)).shape
    torch.Size([1, 40, 9, 9])
    """

    _values: Tensor
    _coefficients: Tensor

    def __init__(
        self,
        group: Group,
        fields: int,
        degree: int | None = None,
        function: nn.Module | None = None,
        *,
        samples: int | None = None,
        space: Literal["group", "sphere"] | FiniteGroup = "group",
    ) -> None:
        function = nn.ELU() if function is None else function
        if not isinstance(function, ENTRYWISE):
            raise EquivarianceError(f"an entrywise torch activation is needed, got {type(function).__name__}")
        sampled = SampledFunctions.of(group, degree, samples, space)
        super().__init__(fields * sampled.field, fields * sampled.field)
        self.field, self.function, self.samples = sampled.field, function, len(sampled.values)
        self.register_buffer("_values", sampled.values, persistent=False)
        self.register_buffer("_coefficients", sampled.coefficients, persistent=False)
        self.to(torch.get_default_device())

    def forward(self, x: Float[Tensor, "batch channels *space"]) -> Float[Tensor, "batch channels *space"]:
        """The function of the values."""
        self._check_channels(x)
        fields = x.unsqueeze(-1).flatten(2).unflatten(1, (-1, self.field.size))
        values = near(self._values, x).to(x.dtype) @ fields
        return (near(self._coefficients, x).to(x.dtype) @ self.function(values)).reshape(x.shape)

    def extra_repr(self) -> str:
        """Field and samples."""
        return f"{self.rep_in}, {self.samples} samples"
