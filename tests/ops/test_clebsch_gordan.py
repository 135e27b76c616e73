import itertools

import pytest
import torch

from equishare._e3nn import o3
from equishare.nn import clebsch_gordan

TRIPLES = [(a, b, c) for a, b in itertools.product(range(5), repeat=2) for c in range(abs(a - b), min(a + b, 4) + 1)]


def wigner_d(degree, g):
    """From how e3nn's harmonics of many directions turn: independent of coupling coefficients, and precise."""
    x = torch.nn.functional.normalize(torch.randn(60, 3, dtype=torch.float64), dim=1)
    before, after = (o3.spherical_harmonics([degree], v, normalize=False) for v in (x, x @ g.T))
    return torch.linalg.lstsq(before, after).solution.T


@pytest.mark.parametrize("degrees", TRIPLES)
def test_intertwines_rotations_in_float64(degrees, orthogonal):
    c = clebsch_gordan(*degrees)
    g = orthogonal(False)
    d1, d2, d3 = (wigner_d(degree, g) for degree in degrees)
    rotated = torch.einsum("ia,jb,abk->ijk", d1, d2, c)
    assert (rotated - torch.einsum("ijl,lk->ijk", c, d3)).norm() < 1e-12


@pytest.mark.parametrize("degrees", TRIPLES)
def test_unit_norm_and_sign_rule(degrees):
    c = clebsch_gordan(*degrees)
    assert c.dtype == torch.float64
    assert abs(c.norm() - 1) < 1e-14
    assert c[c != 0][0] > 0


@pytest.mark.parametrize("degrees", TRIPLES)
def test_equals_e3nn_but_for_the_sign(degrees):
    """Their sign is another in other releases."""
    theirs = o3.wigner_3j(*degrees, dtype=torch.float64)
    ours = clebsch_gordan(*degrees)
    assert min((ours - theirs).norm(), (ours + theirs).norm()) < 1e-13


@pytest.mark.parametrize("degrees", [(a, a, c) for a in range(4) for c in range(2 * a + 1)])
def test_exchange_symmetry(degrees):
    c = clebsch_gordan(*degrees)
    assert torch.allclose(c, (-1) ** degrees[2] * c.transpose(0, 1), atol=1e-15)


def test_known_values():
    """Dot and cross product, in e3nn's order (x, y, z)."""
    assert torch.allclose(clebsch_gordan(1, 1, 0)[..., 0], torch.eye(3, dtype=torch.float64) / 3**0.5)
    cross = clebsch_gordan(1, 1, 1)
    assert cross[0, 1, 2] == pytest.approx(6**-0.5, abs=1e-15)
    assert cross[1, 0, 2] == pytest.approx(-(6**-0.5), abs=1e-15)


def test_signs_are_those_of_stored_models():
    """A fixed number of every coupling up to degree 3: a changed sign would change every model file's energies."""
    weights = torch.cos(torch.arange(343, dtype=torch.float64)) + 0.1
    prints = {
        triple: round(float((clebsch_gordan(*triple).flatten() * weights[: clebsch_gordan(*triple).numel()]).sum()), 9)
        for triple in SIGNS
    }
    assert prints == SIGNS


SIGNS = {
    (0, 0, 0): 1.1,
    (0, 1, 1): 0.289169546,
    (0, 2, 2): 1.962605791,
    (0, 3, 3): 0.207185177,
    (1, 0, 1): 0.289169546,
    (1, 1, 0): 0.289169546,
    (1, 1, 1): 0.123323725,
    (1, 1, 2): -0.278338698,
    (1, 2, 1): -0.562782204,
    (1, 2, 2): -1.108902406,
    (1, 2, 3): 0.864259314,
    (1, 3, 2): -0.473343022,
    (1, 3, 3): 0.785079988,
    (2, 0, 2): 1.962605791,
    (2, 1, 1): 0.11158969,
    (2, 1, 2): -0.608562299,
    (2, 1, 3): 0.298666413,
    (2, 2, 0): 1.962605791,
    (2, 2, 1): 0.411710504,
    (2, 2, 2): -0.383757166,
    (2, 2, 3): 0.451418386,
    (2, 3, 1): -0.637303035,
    (2, 3, 2): 0.663216503,
    (2, 3, 3): -0.545132512,
    (3, 0, 3): 0.207185177,
    (3, 1, 2): 0.058183957,
    (3, 1, 3): -0.050832025,
    (3, 2, 1): 0.400779138,
    (3, 2, 2): 1.016880615,
    (3, 2, 3): 0.45845788,
    (3, 3, 0): 0.207185177,
    (3, 3, 1): 1.24172519,
    (3, 3, 2): -1.617573517,
    (3, 3, 3): 0.184341806,
}


@pytest.mark.parametrize("degrees", [(0, 0, 1), (1, 2, 4), (2, 5, 2)])
def test_triangle_rule(degrees):
    with pytest.raises(ValueError, match=r"\|l1 - l2\| <= l3"):
        clebsch_gordan(*degrees)
