import pytest
import torch

from equishare._e3nn import o3
from equishare.nn import SphericalHarmonics


def directions(n, dtype=torch.float64):
    return torch.nn.functional.normalize(torch.randn(n, 3, dtype=torch.float64), dim=1).to(dtype)


@pytest.mark.parametrize("l_max", range(7))
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_equals_e3nn(l_max, dtype, bound):
    x = directions(50, dtype)
    ours = SphericalHarmonics(l_max)(x)
    theirs = o3.spherical_harmonics(list(range(l_max + 1)), x.double(), normalize=True, normalization="component")
    assert ours.dtype == dtype
    assert ours.shape == (50, (l_max + 1) ** 2)
    assert (ours.double() - theirs).abs().max() < bound


def test_gradients_in_float64():
    x = directions(3).requires_grad_()
    layer = SphericalHarmonics(4)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_parity_and_norm():
    x = directions(20)
    layer = SphericalHarmonics(5)
    y, mirrored = layer(x), layer(-x)
    for degree in range(6):
        part = slice(degree**2, (degree + 1) ** 2)
        assert torch.allclose(mirrored[:, part], (-1) ** degree * y[:, part], atol=1e-14)
        assert torch.allclose((y[:, part] ** 2).sum(1), torch.full((20,), 2.0 * degree + 1, dtype=torch.float64))


def test_no_edges_and_the_zero_vector():
    assert SphericalHarmonics(3)(torch.zeros(0, 3)).shape == (0, 16)
    assert SphericalHarmonics(2)(torch.zeros(1, 3)).tolist() == [[1.0] + [0.0] * 8]


@pytest.mark.usefixtures("unchecked")
def test_errors():
    with pytest.raises(ValueError, match="l_max: a whole number from 0 up"):
        SphericalHarmonics(-1)
    with pytest.raises(ValueError, match=r"\[edges, 3\]"):
        SphericalHarmonics(1)(torch.zeros(4, 2))
