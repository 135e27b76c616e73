"""Floors of float64 models near the edge of a function, and copies that give NaN."""

import pytest
import torch

from equishare.check import equivariance, point_cloud, set_

POS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def unit(pos):
    v = pos - pos.mean(0)
    return v / v.norm(dim=1, keepdim=True)


EDGES = {
    "arc cosine at 1": lambda pos: torch.arccos((unit(pos) * unit(2 * pos)).sum(1).clamp(-1, 1)).sum(),
    "root at 0": lambda pos: ((unit(pos) * unit(2 * pos)).sum(1) - 1).abs().sqrt().sum(),
    "distance from a Gram matrix": lambda pos: _gram(pos).sqrt().sum(),
}


def _gram(pos):
    square = pos.square().sum(1)
    return (square[:, None] + square[None] - 2 * pos @ pos.T).clamp_min(0)


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("seed", range(3))
def test_a_correct_float64_function_at_its_edge_is_not_accused(name, seed):
    report = equivariance(EDGES[name], (POS,), point_cloud(outputs="energy"), gradients=False, seed=seed)
    assert report.verdict != "fail", report


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-10])
def test_a_small_break_of_a_float64_function_is_still_found(size):
    def energy(pos):
        return torch.cdist(pos, pos).tanh().sum() + size * pos[:, 0].abs().sum()

    assert equivariance(energy, (POS,), point_cloud(outputs="energy"), gradients=False).verdict == "fail"


def test_a_copy_that_gives_nan_is_no_measure_and_is_named():
    """exp(95) fits into float64 alone."""

    class Steep(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("big", torch.tensor(95.0, dtype=torch.float64))

        def forward(self, pos):
            e = torch.exp(self.big)
            return (torch.cdist(pos, pos).square() * e / e).sum()

    report = equivariance(Steep(), (POS,), point_cloud(outputs="energy"))
    assert report.passed, report
    assert any("float32 copy gives NaN" in note for note in report.notes)
    assert report.floor_method == "Monte Carlo arithmetic"


@pytest.mark.parametrize("slip", [0.0, 1e-3])
def test_random_numbers_from_a_fixed_seed_are_no_noise(slip):
    """In float64 the same seed draws other numbers: the copy would be another model, and its distance no rounding."""

    class Slots(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.f = torch.nn.Linear(4, 4)

        def forward(self, x):
            torch.manual_seed(0)
            slots = torch.randn(3, 4, dtype=x.dtype)
            keys = self.f(x)
            first = slip * keys[:1]
            return torch.softmax(slots @ keys.T, -1) @ keys + first

    report = equivariance(Slots(), torch.randn(9, 4), set_(outputs="invariant"))
    assert report.verdict == ("fail" if slip else "pass"), report
    assert report.noise_floor < 1e-5
    assert report.floor_method == "Monte Carlo arithmetic"


def test_attention_without_dropout_draws_nothing():
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    report = equivariance(layer, torch.randn(2, 7, 8), set_(axis=1))
    assert report.passed
    assert report.floor_method == "float32 against float64"
