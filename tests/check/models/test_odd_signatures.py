"""Correct models in all the shapes that people give them, and broken ones that look like them."""

import pytest
import torch
from torch import nn

from equishare.check import equivariance, graph, image, molecule, point_cloud, set_


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def pairs(pos):
    square = (pos[..., :, None, :] - pos[..., None, :, :]).square().sum(-1)
    return torch.exp(-square)


Z = torch.tensor([1, 6, 7, 8, 1, 6, 1, 8])
POS = random(8, 3)
CELL = 3 * torch.eye(3) + 0.2 * random(3, 3)


def crystal(z, frac_coords, lattice):
    n = torch.cartesian_prod(*3 * [torch.arange(-2.0, 3.0)]).to(lattice)
    d = (frac_coords[:, None, None] - frac_coords[None, :, None] + n) @ lattice
    return (z[:, None, None] * z[:, None] * torch.exp(-d.square().sum(-1))).sum()


def docking(ligand_pos, ligand_z, receptor_pos, receptor_z):
    return (ligand_z[:, None] * receptor_z * torch.exp(-torch.cdist(ligand_pos, receptor_pos))).sum()


def angles(pos, idx_i, idx_j, idx_k):
    return ((pos[idx_i] - pos[idx_j]) * (pos[idx_k] - pos[idx_j])).sum(-1).cos().sum()


def octupole(z, pos):
    return torch.einsum("n,ni,nj,nk->ijk", z.to(pos), *3 * [pos - pos.mean(0)])


def hessian(z, pos):
    return {"hessian": torch.func.hessian(lambda p: (z[:, None] * pairs(p) * z).sum())(pos)}


def in_columns(points):
    return torch.tanh((points - points.mean(-1, keepdim=True)).norm(dim=1)).amax(-1)


def moved_columns(points):
    return {"pos": points + (points - points.mean(-1, keepdim=True)).tanh().norm(dim=1, keepdim=True)[..., :1] * 0}


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.layer(x, x, x)


class Energy(nn.Module):
    def forward(self, z: torch.Tensor, pos: torch.Tensor):
        return (z[:, None] * z * torch.exp(-(pos[:, None] - pos[None]).square().sum(-1))).sum()


TRIPLETS = torch.cartesian_prod(*3 * [torch.arange(4)]).T
FIELD = random(3)


@pytest.mark.parametrize(
    ("model", "given", "claim"),
    [
        (crystal, (Z, 0.3 * POS, CELL), molecule()),
        (docking, (POS, Z, random(5, 3), torch.arange(5)), molecule()),
        (angles, (POS, *TRIPLETS), molecule()),
        (octupole, (Z, POS), molecule()),
        (hessian, (Z, POS), molecule()),
        (lambda z, pos, field: (z - z.to(pos).mean()) @ pos @ field, (Z, POS, FIELD), molecule()),
        (in_columns, random(2, 3, 16), point_cloud()),
        (moved_columns, random(2, 3, 16), point_cloud()),
        (lambda z, pos: {"energies": pairs(pos) @ z.to(pos)}, (Z, POS), molecule()),
        (
            lambda z, pos: {"torque": torch.linalg.cross(pos - pos.mean(0), pairs(pos) @ (pos - pos.mean(0)))},
            (Z, POS),
            molecule(),
        ),
        (lambda h, adj: torch.tanh(adj @ h), (random(8, 4), pairs(POS)), graph()),
        (lambda x: x @ x.T, random(7, 3), set_()),
        (Attention(), random(2, 7, 8), set_(axis=1)),
        (lambda x: x.square().sum(), random(8, 8), image("D4")),
    ],
)
def test_correct_models_pass(model, given, claim):
    report = equivariance(model, given, claim)
    assert report.passed, report


@pytest.mark.parametrize("made", ["traced", "scripted"])
def test_torchscript_says_its_arguments(made):
    model = torch.jit.trace(Energy(), (Z, POS)) if made == "traced" else torch.jit.script(Energy())
    report = equivariance(model, (Z, POS), molecule())
    assert report.passed
    assert list(report.inputs) == ["z", "pos"]


@pytest.mark.parametrize(
    ("model", "given", "claim"),
    [
        (lambda z, frac_coords, lattice: crystal(z, frac_coords, lattice) + lattice[0, 0], (Z, POS, CELL), molecule()),
        (lambda points: points[:, 0].abs().amax(-1), random(2, 3, 16), point_cloud()),
        (lambda z, pos: {"hessian": hessian(z, pos)["hessian"].abs()}, (Z, POS), molecule()),
        (lambda z, pos: octupole(z, pos).abs(), (Z, POS), molecule()),
        (lambda h, adj: torch.tanh(adj @ h).cumsum(0), (random(8, 4), pairs(POS)), graph()),
        (lambda z, pos: {"energies": pairs(pos).cumsum(1) @ z.to(pos)}, (Z, POS), molecule()),
    ],
)
def test_their_broken_twins_fail(model, given, claim):
    assert equivariance(model, given, claim).verdict == "fail"


def test_an_output_of_another_shape_is_said_to_be_one():
    report = equivariance(lambda z, pos: pairs(pos)[pos[:, 0] > 0].sum(1), (Z, POS), molecule())
    assert report.verdict == "fail"
    assert "its shape changes" in str(report)


def test_where_no_output_is_left_to_compare_the_check_says_what_to_do():
    from equishare.check import CheckError

    def hidden(z, pos):
        arrows = pairs(pos) @ (pos - pos.mean(0))
        return {"features": torch.cat([arrows, arrows.norm(dim=1, keepdim=True)], 1)}

    with pytest.raises(CheckError, match=r"no output is left to compare: features .* give its type"):
        equivariance(hidden, (Z, POS), molecule())


def test_a_set_of_one_member_is_told_to_name_another_axis():
    from equishare.check import CheckError

    with pytest.raises(CheckError, match=r"one alone, in shapes \[1, 7, 8\].*--axis"):
        equivariance(lambda x: x, random(1, 7, 8), set_())


def test_a_model_that_draws_random_numbers_cannot_call_it_rounding():
    def noisy(z, pos):
        return Energy()(z, pos) * (1 + 2e-6 * torch.rand(()))

    report = equivariance(noisy, (Z, POS), molecule())
    assert report.verdict == "fail"
    assert "not deterministic" in str(report)

    def seeded(z, pos):
        torch.manual_seed(0)
        return (torch.randn(9)[z] * pairs(pos)).sum()

    assert equivariance(seeded, (Z, POS), molecule()).passed


def test_an_output_held_to_the_wrong_type_blames_no_module():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.f = nn.Identity()

        def forward(self, x):
            return self.f(x @ x.T)

    report = equivariance(Product(), random(7, 3), set_(outputs="members"))
    assert report.verdict == "fail"
    assert "no module breaks it" in report.breaks.reason
