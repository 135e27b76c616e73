"""Complex parameters, inputs and outputs are cast and tested like real ones."""

import pytest
import torch
from torch import nn

from equishare.check import equivariance, image, point_cloud
from equishare.check.models.precision import at_precision, private_copy


class Fourier(nn.Module):
    """A layer of a Fourier neural operator; `phases` breaks it through the imaginary part alone."""

    def __init__(self, phases=False, channels=3, modes=4):
        super().__init__()
        torch.manual_seed(0)
        self.modes, self.phases = modes, phases
        self.up, self.down = nn.Conv2d(1, channels, 1), nn.Conv2d(channels, 1, 1)
        self.w = nn.Parameter(torch.randn(channels, channels, modes, modes, dtype=torch.cfloat))
        self.z = nn.Parameter(torch.complex(torch.ones(12, 12), torch.randn(12, 12)))

    def forward(self, x):
        f = torch.fft.rfft2(self.up(x))
        low = torch.zeros_like(f)
        k = self.modes
        low[:, :, :k, :k] = torch.einsum("bixy,ioxy->boxy", f[:, :, :k, :k], self.w)
        y = self.down(torch.fft.irfft2(low, s=x.shape[-2:]))
        return (y * self.z).abs() if self.phases else y


X = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(0))
SHIFTS = image("C1", translations=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fourier_layers_pass_and_broken_phases_fail(dtype):
    sound = equivariance(Fourier(), X, SHIFTS, dtype=dtype)
    assert sound.passed, sound
    assert "against float64" in sound.floor_method or dtype == torch.float64
    assert equivariance(Fourier(phases=True), X, SHIFTS, dtype=dtype).verdict == "fail"


def test_a_copy_keeps_the_imaginary_part():
    model = Fourier()
    copy = private_copy(model, torch.float64)
    assert copy.w.dtype == torch.complex128
    assert torch.equal(copy.w.imag.float(), model.w.imag.detach())
    assert at_precision(torch.ones(2), torch.float64).dtype == torch.float64


def test_complex_outputs_are_compared_with_their_imaginary_parts():
    pos = torch.randn(6, 3)

    def structure_factor(pos):
        return torch.exp(1j * torch.cdist(pos, pos).to(torch.cfloat)).sum()

    assert equivariance(structure_factor, (pos,), point_cloud()).passed
    broken = equivariance(lambda p: structure_factor(p) + 1e-3j * p[:, 0].abs().sum(), (pos,), point_cloud())
    assert broken.verdict == "fail"


def test_complex_inputs_run():
    x = torch.randn(1, 1, 8, 8, dtype=torch.cfloat)
    assert equivariance(lambda x: x * x.abs(), x, SHIFTS).passed
    ramp = torch.arange(8.0)
    assert equivariance(lambda x: x * ramp, x, SHIFTS).verdict == "fail"
