import torch
from torch import nn

from equishare.check import equivariance, geometric, molecule, point_cloud


class Spherical(nn.Module):
    """Angles are no features that turn, but what is made of them may be sound."""

    def forward(self, x):
        r = x.norm(dim=-1)
        return torch.stack([r, torch.acos(x[..., 2] / r), torch.atan2(x[..., 1], x[..., 0])], -1)


class ThereAndBack(nn.Module):
    def __init__(self):
        super().__init__()
        self.angles = Spherical()

    def forward(self, x):
        r, theta, phi = self.angles(x).unbind(-1)
        return torch.stack([r * theta.sin() * phi.cos(), r * theta.sin() * phi.sin(), r * theta.cos()], -1)


class Bias(nn.Module):
    def forward(self, v):
        return v + 0.1


def points(n=8):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(0))


CLAIM = geometric("forces", "forces")


def test_modules_inside_a_sound_one_are_not_accused():
    sound = ThereAndBack()
    assert equivariance(sound, (points(),), CLAIM).passed
    report = equivariance(nn.Sequential(sound, Bias(), nn.Identity()), (points(),), CLAIM)
    assert report.culprit == "1"


def test_a_break_in_the_models_own_code_is_the_models():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Identity(), nn.Identity()

        def forward(self, x):
            return self.second(self.first(x) * torch.tensor([1.0, 1.0, 2.0]).to(x))

    report = equivariance(Model(), (points(),), CLAIM)
    assert report.culprit == "Model"
    assert "before it calls second" in report.breaks.reason


def test_a_shared_module_is_blamed_where_it_breaks():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.Tanh()
            self.head = nn.Linear(3, 3, bias=False)

        def forward(self, x):
            return self.act(x * self.act(x.norm(dim=-1, keepdim=True)))

    report = equivariance(Model(), (points(),), CLAIM)
    assert report.culprit == "act"
    assert len(report.breaks.modules) == 2


def test_functions_have_no_culprit():
    report = equivariance(lambda x: x.abs(), (points(),), CLAIM)
    assert report.verdict == "fail"
    assert report.culprit is None


def test_localisation_can_be_left_out():
    assert equivariance(Bias(), (points(),), CLAIM, localise=False).culprit is None


def test_internal_edges_in_any_order():
    """A model that sorts its pairs by distance lists them in an order of its own."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.radial = nn.Sequential(nn.Linear(1, 4), nn.Tanh())
            self.last = nn.Linear(1, 1)

        def forward(self, pos):
            i, j = torch.triu_indices(len(pos), len(pos), 1)
            d = (pos[i] - pos[j]).norm(dim=-1)
            features = self.radial(d.sort().values[:, None])
            return self.last(features.sum().reshape(1, 1) + pos[0, 0])

    report = equivariance(Model(), (points(),), point_cloud(outputs="invariant"))
    assert report.culprit == "Model"
    assert all(error <= 10 * floor for path, error, floor in report.breaks.modules if path.startswith("radial"))


class OwnNeighbours(nn.Module):
    """Finds its pairs itself: close inputs may have more of them, or fewer."""

    def __init__(self, slip=0.0):
        super().__init__()
        self.lengths, self.slip = nn.Identity(), Slip(slip)

    def forward(self, z, pos):
        i, j = torch.nonzero((torch.cdist(pos, pos) < 2.0).triu(1), as_tuple=True)
        return self.slip(self.lengths(pos[i] - pos[j])).norm(dim=1).tanh().sum()


class Slip(nn.Module):
    def __init__(self, slip):
        super().__init__()
        self.by = slip

    def forward(self, x):
        return x + self.by


def test_pairs_that_a_model_finds_itself_may_differ_in_number():
    pos = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    given, claim = (torch.ones(20, dtype=torch.long), pos), molecule(outputs="energy", improper=False)
    assert equivariance(OwnNeighbours(), given, claim).passed
    report = equivariance(OwnNeighbours(0.1), given, claim)
    assert report.verdict == "fail"
    assert report.culprit == "slip"
