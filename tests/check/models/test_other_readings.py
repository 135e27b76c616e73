"""Where a check fails under guessed types, the report says under which others it would pass."""

import pytest
import torch

from equishare.check import equivariance, graph, molecule, point_cloud, set_


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


Z = torch.tensor([1, 6, 7, 8, 1, 6, 1, 8])
POS = 2 * random(8, 3)


def pairs(pos):
    return torch.exp(-torch.cdist(pos, pos))


def notes(report):
    return " ".join(t.note for t in report.tests)


def coulomb(z, pos):
    return torch.linalg.eigvalsh(z[:, None] * z * (pairs(pos) + torch.eye(len(z))))


def harmonics(pos):
    from e3nn import o3

    return o3.spherical_harmonics("1x0e+1x1o+1x2e", pos - pos.mean(0), normalize=False).sum(0)


def lengths(pos):
    i, j = torch.triu_indices(len(pos), len(pos), 1)
    return torch.cdist(pos, pos)[i, j]


@pytest.mark.parametrize(
    ("model", "given", "claim", "reading"),
    [
        (coulomb, (Z, POS), molecule(), "as invariant it would pass"),
        (harmonics, (POS,), point_cloud(), "as 1x0e+1x1o+1x2e it would pass"),
        (lengths, (POS,), point_cloud(), "in an order of their own"),
        (lambda x: x.sort(0).values, random(7, 3), set_(), "as invariant it would pass"),
        (lambda x: x.argmax(0), random(7, 3), set_(), "as indices of members it would pass"),
    ],
)
def test_another_reading_of_an_output_is_named(model, given, claim, reading):
    report = equivariance(model, given, claim)
    assert report.verdict == "fail"
    assert reading in notes(report), report


def test_another_reading_of_an_input_is_named():
    """An arrow whose name says nothing looks like three numbers that do not turn."""
    report = equivariance(
        lambda z, pos, push: (z.to(pos) @ (pos - pos.mean(0))) @ push, (Z, POS, random(3)), molecule()
    )
    assert report.verdict == "fail"
    assert "(push = invariant); with push as vector it would pass" in notes(report)
    nodes = equivariance(lambda extra, adj: (adj @ extra).tanh(), (random(8, 3), pairs(POS)), graph({"adj": "pairs"}))
    assert nodes.passed


def test_a_broken_model_gets_no_excuse_from_other_readings():
    bad = equivariance(lambda z, pos: (z.to(pos) @ pos).abs().sum(), (Z, POS), molecule())
    assert bad.verdict == "fail"
    assert "would pass" not in notes(bad)
    nameless = equivariance(lambda x: x.abs().sum(), (POS,), point_cloud(None))
    assert nameless.verdict == "fail"
    assert "would pass" not in notes(nameless)


def test_types_that_were_given_are_not_doubted():
    claim = molecule({"push": "invariant"}, "energy")
    report = equivariance(lambda z, pos, push: (z.to(pos) @ (pos - pos.mean(0))) @ push, (Z, POS, random(3)), claim)
    assert report.verdict == "fail"
    assert "would pass" not in notes(report)
