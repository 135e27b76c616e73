"""Real Clebsch-Gordan coefficients with a sign that does not depend on the installed e3nn."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from equishare._e3nn import o3
from equishare.errors import LayerError


@cache
def clebsch_gordan(l1: int, l2: int, l3: int) -> Float[Tensor, "d1 d2 d3"]:
    r"""Real coupling coefficients of unit norm, in float64, first nonzero entry positive.

    .. math:: z_{m_3} = \sum_{m_1 m_2} C^{l_1 l_2 l_3}_{m_1 m_2 m_3} x_{m_1} y_{m_2}

    is the (up to a factor only) rotation-equivariant bilinear map: exact. The tensor is symmetric under exchange of
    the first two indices where :math:`l_1 = l_2` and :math:`l_1 + l_2 + l_3` is even. e3nn releases differ in the sign of some
    coefficients; the sign rule here makes a stored model mean the same under all of them.

    Args:
        l1: Degree of the first factor.
        l2: Degree of the second factor.
        l3: Degree of the product, from ``|l1 - l2|`` to ``l1 + l2``.

    Returns:
        Tensor of shape ``[2 l1 + 1, 2 l2 + 1, 2 l3 + 1]``; components in e3nn's order.

    Raises:
        LayerError: if the three degrees do not satisfy the triangle rule.

    >>> c = clebsch_gordan(1, 1, 0)
    >>> bool(torch.allclose(c[..., 0], torch.eye(3, dtype=c.dtype) / 3**0.5))
    True
    """
    if not abs(l1 - l2) <= l3 <= l1 + l2:
        raise LayerError(f"degrees must satisfy |l1 - l2| <= l3 <= l1 + l2, got l1={l1}, l2={l2}, l3={l3}")
    with (
        torch.device("cpu"),
        torch.inference_mode(False),
    ):  # kept for whoever comes next, on whatever device, in whatever mode
        coefficients = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
        coefficients = torch.where(coefficients.abs() < 1e-10, 0.0, coefficients)
        first = coefficients[coefficients != 0][0]
        return coefficients * first.sign() / coefficients.norm()
