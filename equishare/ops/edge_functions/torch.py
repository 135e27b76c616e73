"""Radial functions, their envelope, and spherical harmonics in plain torch: the formulas that the loops write out."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from equishare.ops.clebsch_gordan import clebsch_gordan
from equishare.ops.kept import kept


class Radial(NamedTuple):
    """What fixes the radial functions: see `equishare.nn.RadialBasis`."""

    cutoff: float
    n_basis: int
    power: int = 6
    decay_length: float | None = None


def polynomial_cutoff(scaled: Float[Tensor, "edges"], power: int = 6) -> Float[Tensor, "edges"]:
    r"""Smooth envelope of :math:`x = r / r_c` that goes from 1 to 0 with two zero derivatives at the cutoff.

    .. math:: f(x) = 1 - \tfrac{(p+1)(p+2)}{2} x^p + p (p+2) x^{p+1} - \tfrac{p (p+1)}{2} x^{p+2}, \quad x < 1

    and zero beyond. From Gasteiger et al., "Directional message passing for molecular graphs" (2020).

    >>> polynomial_cutoff(torch.tensor([0.0, 1.0, 2.0])).tolist()
    [1.0, 0.0, 0.0]
    """
    p = power
    inside = scaled.clamp(max=1.0)
    first = (p + 1) * (p + 2) / 2
    return 1.0 + inside**p * (-first + inside * (p * (p + 2) - inside * (p * (p + 1) / 2)))


def radial_functions(
    lengths: Float[Tensor, "edges"], radial: Radial, envelope: Float[Tensor, "edges"]
) -> Float[Tensor, "edges n_basis"]:
    r"""Bessel functions times the envelope, which is :math:`f(r / r_c)`, and the decay.

    .. math:: B_n(r) = \sqrt{\tfrac{8}{r_c}}\, \frac{\sin(n \pi r / r_c)}{n\, r} \, f(r / r_c)\, \frac{4}{1 + (r / \lambda)^2}

    >>> radial_functions(torch.tensor([1.0, 5.0]), Radial(5.0, 8), torch.tensor([0.9, 0.0])).shape
    torch.Size([2, 8])
    """
    scaled = lengths / radial.cutoff
    order = torch.arange(1, radial.n_basis + 1, dtype=lengths.dtype, device=lengths.device)
    # sin(n pi x) / x through sinc stays finite where two atoms coincide
    waves = torch.sinc(scaled.unsqueeze(1) * order) * (math.pi * 8**0.5 * radial.cutoff**-1.5)
    if radial.decay_length is not None:
        envelope = envelope * 4 / (1 + (lengths / radial.decay_length).square())
    return waves * envelope.unsqueeze(1)


def spherical_harmonics(directions: Float[Tensor, "edges 3"], l_max: int) -> Float[Tensor, "edges components"]:
    """Degrees 0..l_max, built degree by degree: see `equishare.nn.SphericalHarmonics`.

    >>> spherical_harmonics(torch.eye(3), 1)[0].tolist()
    [1.0, 1.7320507764816284, 0.0, 0.0]
    """
    blocks = [torch.ones_like(directions[:, :1])]
    if l_max >= 1:
        first = directions * 3.0**0.5
        blocks.append(first)
        for degree in range(2, l_max + 1):
            outer = (blocks[-1].unsqueeze(2) * first.unsqueeze(1)).flatten(1)
            blocks.append(outer @ _coupling_like(degree, directions.dtype, directions.device))
    return torch.cat(blocks, dim=1)


_COUPLINGS: dict[int, Tensor] = {}  # found once; a plain dictionary, which a compiler reads


def harmonics_coupling(degree: int) -> Tensor:
    """The matrix from the outer product of Y_{l-1} and Y_1 to Y_l, in float64."""
    if degree not in _COUPLINGS:
        with torch.inference_mode(False):
            _COUPLINGS[degree] = _find_coupling(degree)
    return _COUPLINGS[degree]


def _find_coupling(degree: int) -> Tensor:
    coupling = clebsch_gordan(degree - 1, 1, degree).flatten(0, 1)
    # on the polar axis y only m = 0 is left: it fixes the length and the sign of the whole degree
    previous, pole = coupling.new_zeros(2 * degree - 1), coupling.new_zeros(3)
    previous[degree - 1], pole[1] = (2 * degree - 1) ** 0.5, 3**0.5
    at_pole = torch.outer(previous, pole).flatten() @ coupling
    return coupling * ((2 * degree + 1) ** 0.5 / at_pole[degree])


@kept
def _coupling_like(degree: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return harmonics_coupling(degree).to(device, dtype)
