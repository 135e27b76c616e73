"""One question has one answer, whatever was asked before."""

import pytest
import torch
from torch import nn

from equishare.check import equivariance, image, molecule, set_
from equishare.check.models.repetition import MEMORY, RANDOM, STALE

Z = torch.tensor([1, 6, 7, 8, 1, 6])


def positions(seed):
    return 1.5 * torch.randn(6, 3, generator=torch.Generator().manual_seed(seed))


class Remembers(nn.Module):
    """Adds a share of its previous answer."""

    def __init__(self, share):
        super().__init__()
        self.share, self.last = share, 0.0
        self.embed = nn.Embedding(10, 1)

    def energy(self, z, pos):
        return (self.embed(z) * self.embed(z).T * torch.exp(-torch.cdist(pos, pos))).sum()

    def forward(self, z, pos):
        out = self.energy(z, pos) + self.share * self.last
        self.last = out.detach()
        return out


class Stale(Remembers):
    """Computes distances once for each number of atoms."""

    def __init__(self):
        super().__init__(0.0)
        self.distances = {}

    def forward(self, z, pos):
        if len(pos) not in self.distances:
            self.distances[len(pos)] = torch.cdist(pos, pos)
        return (self.embed(z) * self.embed(z).T * torch.exp(-self.distances[len(pos)])).sum()


class Counts(Remembers):
    """Drifts with every call."""

    def forward(self, z, pos):
        self.last += 1e-4
        return self.energy(z, pos) * (1 + self.last)


class Noisy(Remembers):
    def forward(self, z, pos):
        return self.energy(z, pos) * (1 + self.share * torch.randn(()))


CLAIM = molecule(("species", "positions"), "energy")


def checked(model, seed=0, **options):
    torch.manual_seed(seed)
    return equivariance(model, (Z, positions(seed)), CLAIM, seed=seed, **options)


@pytest.mark.parametrize("share", [1e-4, 1e-3, 1e-2, 1e-1])
@pytest.mark.parametrize("seed", range(3))
def test_a_share_of_the_previous_answer_is_found(share, seed):
    report = checked(Remembers(share), seed)
    assert report.verdict == "fail"
    assert all(t.factor == "repetition" for t in report.tests)
    assert report.culprit == "Remembers"


def test_each_kind_is_named():
    assert {t.note for t in checked(Remembers(1e-2)).tests} == {MEMORY}
    assert {t.note for t in checked(Stale()).tests} == {STALE}
    assert {t.note for t in checked(Noisy(1e-3)).tests} == {RANDOM}
    assert {t.note for t in checked(Counts(0)).tests} == {RANDOM}


def test_a_model_that_forgets_passes():
    class Forgets(Remembers):
        def forward(self, z, pos):
            self.last = super().forward(z, pos) * 0
            return self.energy(z, pos)

    assert checked(Forgets(0.5)).passed


def test_a_function_with_memory_is_found_too():
    last = [0.0]

    def energy(z, pos):
        out = torch.exp(-torch.cdist(pos, pos)).sum() + 1e-3 * last[0]
        last[0] = float(out.detach())
        return out

    assert equivariance(energy, (Z, positions(0)), CLAIM).verdict == "fail"


@pytest.mark.parametrize(
    ("claim", "x"), [(image("C4"), torch.rand(1, 1, 8, 8)), (set_(outputs="invariant"), torch.rand(9, 3))]
)
def test_images_and_sets(claim, x):
    class Last(nn.Module):
        def __init__(self, share):
            super().__init__()
            self.share, self.last = share, 0.0

        def forward(self, x):
            out = x.square().mean((0, 1) if x.dim() == 2 else (-1, -2)) + self.share * self.last
            self.last = float(out.detach().max())
            return out

    assert equivariance(Last(0.0), x, claim).passed
    assert equivariance(Last(1e-2), x, claim).verdict == "fail"


def test_training_mode_is_mentioned_where_it_matters():
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
    x = torch.rand(9, 3)
    report = equivariance(model, x, set_())
    assert (report.verdict, report.culprit) == ("fail", "1")
    assert any("training mode" in note for note in report.notes)
    assert equivariance(model.eval(), x, set_()).passed
