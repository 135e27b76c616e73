import pytest
import torch
from torch import nn

from equishare._e3nn import o3
from equishare.check import (
    equivariance,
    geometric,
    image,
    point_cloud,
)


def points(n=7, seed=0, dtype=torch.float32):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Pairs(nn.Module):
    """Energy and forces of a pair potential; `slip` is a relative error of the forces along z."""

    def __init__(self, slip=0.0):
        super().__init__()
        self.slip = slip
        self.weight = nn.Parameter(torch.tensor([0.7]))

    def forward(self, pos):
        d = torch.cdist(pos, pos) + 10 * torch.eye(len(pos)).to(pos)
        difference = pos[:, None] - pos[None]
        forces = (self.weight * torch.exp(-d)[..., None] * difference).sum(1)
        return {
            "energy": (self.weight * torch.exp(-d)).sum(),
            "forces": forces * (1 + self.slip * torch.eye(3)[2].to(pos)),
        }


CLAIM = point_cloud(outputs={"energy": "energy", "forces": "forces"})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_correct_model_passes(dtype):
    report = equivariance(Pairs(), (points(),), CLAIM, dtype=dtype)
    assert report.passed, report
    assert report.culprit is None
    assert report.error < 100 * torch.finfo(dtype).eps
    assert report.dtype == str(dtype).removeprefix("torch.")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_slip_of_many_floors_is_found_in_the_right_place(dtype):
    slip = 1e3 * torch.finfo(dtype).eps
    report = equivariance(Pairs(slip), (points(),), CLAIM, dtype=dtype)
    failing = {(f.factor, f.quantity) for f in report.tests if f.verdict == "fail" and not f.gradient}
    assert failing == {("rotation", "forces"), ("reflection", "forces")}
    assert report.tests[0].quantity == "energy"
    assert 0.1 * slip < report.error < 10 * slip


def test_the_worst_element_is_reproducible():
    slip = 0.1
    report = equivariance(Pairs(slip), (points(),), CLAIM, seed=5)
    worst = next(f for f in report.tests if f.quantity == "forces" and f.factor == "rotation")
    model, x = Pairs(slip), points()
    R = worst.element.orthogonal.float()
    base = model(x)["forces"]
    error = (model(x @ R.T)["forces"] - base @ R.T).square().mean().sqrt() / base.square().mean().sqrt()
    assert error.item() == pytest.approx(worst.error, rel=1e-4)
    again = equivariance(Pairs(slip), (points(),), CLAIM, seed=5)
    assert [f.error for f in again.tests] == [f.error for f in report.tests]


class Counted(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.calls = model, [0]

    def forward(self, pos):
        self.calls[0] += 1
        return self.model(pos)

    def __deepcopy__(self, memo):
        return self


def test_factors_that_pass_are_tested_in_one_series():
    counted = Counted(Pairs())
    report = equivariance(counted, (points(),), CLAIM)
    assert report.factors == ["rotation", "reflection", "translation", "permutation"]
    assert {f.factor for f in report.tests} == {"all together"}
    assert max(f.samples for f in report.tests) == 48
    assert counted.calls[0] < 90


@pytest.mark.parametrize("factor", ["rotation", "reflection", "translation", "permutation"])
def test_a_break_of_one_factor_is_no_break_of_another(factor):
    slips = {
        "rotation": lambda pos, centred: centred[:, 2].square().mean(),
        "reflection": lambda pos, centred: torch.linalg.det(_moments(centred)),
        "translation": lambda pos, centred: pos.mean(0).norm(),
        "permutation": lambda pos, centred: centred[0].norm(),
    }

    def energy(pos):
        return torch.cdist(pos, pos).tanh().sum() + 0.01 * slips[factor](pos, pos - pos.mean(0))

    report = equivariance(energy, (points(dtype=torch.float64),), point_cloud(outputs="energy"))
    failing = {f.factor for f in report.tests if f.verdict == "fail" and not f.gradient}
    assert failing == ({factor, "reflection"} if factor == "rotation" else {factor})


def _moments(centred):
    """Three vectors that turn with the points and do not depend on their order."""
    r = centred.norm(dim=-1, keepdim=True)
    return torch.stack([(centred * w).sum(0) for w in (r, r.square(), torch.exp(-r))])


def test_a_nan_at_one_element_is_not_forgotten():
    """The first rotation puts a pair of atoms on the z axis, where spherical angles are singular."""

    def energy(pos):
        x, y, _ = pos[1] - pos[0]
        return torch.cdist(pos, pos).sum() + 0 * (x * x + y * y - 1e-9).sqrt()

    report = equivariance(energy, (points(),), geometric("positions", "energy"), gradients=False)
    assert report.verdict == "fail"
    assert "NaN" in report.worst.note


def test_tolerance_accepts_a_known_error():
    assert not equivariance(Pairs(1e-3), (points(),), CLAIM, gradients=False).passed
    assert equivariance(Pairs(1e-3), (points(),), CLAIM, gradients=False, tolerance=1e-2).passed


def test_nothing_of_the_caller_changes():
    model, x = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 1)), points()
    x.requires_grad_(True)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    rng, kept = torch.random.get_rng_state(), x.detach().clone()
    report = equivariance(model, (x,), point_cloud(outputs="atoms"))
    assert report.verdict == "fail"
    assert model.training
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), rng)
    assert torch.equal(x, kept)
    assert x.grad is None


def test_gradients_that_are_cut_are_found():
    def energy(x):
        d = x[:, None] - x[None]
        return (d[..., 0].detach() * d[..., 0] + d[..., 1:].square().sum(-1)).sum()

    report = equivariance(energy, (points(),), point_cloud())
    verdicts = {f.gradient: f.verdict for f in report.tests if f.factor == "rotation"}
    assert verdicts == {False: "pass", True: "fail"}


def test_a_constant_output_proves_nothing():
    report = equivariance(lambda x: x.sum() * 0 + 1, (points(),), point_cloud())
    assert report.verdict == "undecided"
    assert any("proves nothing" in note for note in report.notes)


def test_nan_fails():
    report = equivariance(lambda x: (x - x).norm() / (x - x).norm(), (points(),), point_cloud())
    assert report.verdict == "fail"
    assert "NaN" in report.worst.note
    assert '"error": null' in report.to_json()


def test_random_outputs_are_reported_as_such():
    report = equivariance(lambda x: x.norm() + torch.rand(()), (points(),), point_cloud())
    assert {f.factor for f in report.tests} == {"repetition"}


def test_the_other_parity_is_hinted_at():
    def torque(x):
        x = x - x.mean(0)
        return torch.linalg.cross(x, x.roll(1, 0)).sum(0)

    claim = geometric("forces", "vector")
    report = equivariance(torque, (points(),), claim)
    assert "opposite parity" in report.worst.note
    assert equivariance(torque, (points(),), geometric("forces", "pseudovector")).passed


def test_the_cost_is_stated_first():
    said = []
    equivariance(Pairs(), (points(),), CLAIM, progress=lambda fraction, message: said.append((fraction, message)))
    assert said[0][0] == 0.0
    assert said[0][1].startswith("about")
    assert [fraction for fraction, _ in said] == sorted(fraction for fraction, _ in said)
    said.clear()
    equivariance(Pairs(0.1), (points(),), CLAIM, progress=lambda fraction, message: said.append((fraction, message)))
    assert "if it fails, to find out what breaks" in said[0][1]
    assert [m for _, m in said if m in ("permutation", "looking for the module that breaks it")]


def test_a_model_that_refuses_g_x_says_at_which_g():
    def energy(pos):
        if pos[0, 0] < 0:
            raise IndexError("out of bounds")
        return torch.cdist(pos, pos).sum()

    with pytest.raises(IndexError) as caught:
        equivariance(energy, (points().abs(),), point_cloud())
    assert "rotation by" in caught.value.__notes__[0]


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_on_a_gpu(dtype):
    report = equivariance(Pairs(), (points(),), CLAIM, device="cuda", dtype=dtype)
    assert report.passed, report
    assert report.device.startswith("cuda")
    slip = 1e4 * torch.finfo(dtype).eps
    assert not equivariance(Pairs(slip), (points(),), CLAIM, device="cuda", dtype=dtype).passed


@pytest.mark.gpu
def test_inputs_and_culprits_on_a_gpu():
    layer = o3.Linear("4x0e+4x1o", "4x0e+4x1o").cuda()
    x = torch.randn(6, 16, device="cuda")
    claim = geometric("atoms: 4x0e+4x1o", "atoms: 4x0e+4x1o")
    assert equivariance(layer, x, claim).passed
    report = equivariance(nn.Sequential(layer, nn.Tanh(), nn.Identity()).cuda(), x, claim)
    assert report.culprit == "1"
    cnn = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.AdaptiveAvgPool2d(1)).cuda()
    assert equivariance(cnn, torch.randn(1, 1, 8, 8, device="cuda"), image("D4")).culprit == "0"
