"""A part of the claim that moves no input has tested nothing."""

import pytest
import torch

from equishare import groups
from equishare.check import equivariance, group, image, molecule, point_cloud

COORS = 2 * torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(1))
FEATS = torch.randn(1, 9, 16, generator=torch.Generator().manual_seed(2))


def crooked(feats, coors):
    """Depends on the axes, on the origin and on the order of atoms."""
    return feats + coors[..., :1] ** 3 + torch.arange(coors.shape[1])[None, :, None], coors + coors.abs()


def test_a_batch_of_one_is_recognised_and_fails():
    report = equivariance(crooked, (FEATS, COORS), molecule())
    assert report.verdict == "fail"
    failing = {t.factor for t in report.tests if t.verdict == "fail"}
    assert failing == {"rotation", "reflection", "translation", "permutation"}


def test_where_nothing_moves_the_check_is_undecided_and_says_what_was_recognised():
    report = equivariance(lambda a, b: a.sum() * b.sum(), (torch.ones(4), torch.ones(2)), molecule())
    assert report.verdict == "undecided"
    assert report.inputs == {"a": "invariant", "b": "invariant"}
    assert {t.factor for t in report.tests} == {"rotation", "reflection"}
    assert "moves none of the inputs" in str(report)
    assert "--types" in str(report)


def test_a_part_that_moves_nothing_is_undecided_beside_parts_that_pass():
    """Species alone: permutations are tested, rotations are not."""
    report = equivariance(lambda z: z.sum(), (torch.arange(1.0, 6.0),), molecule())
    verdicts = {t.factor: t.verdict for t in report.tests if not t.gradient}
    assert verdicts == {"permutation": "pass", "rotation": "undecided", "reflection": "undecided"}


@pytest.mark.parametrize(
    ("claim", "given"),
    [
        (image("C4"), torch.ones(3, 8)),
        (point_cloud("invariant"), torch.randn(5, 3)),
        (group(groups.cyclic(4).trivial(), groups.cyclic(4).trivial()), torch.ones(2, 1)),
    ],
)
def test_other_claims_too(claim, given):
    assert equivariance(lambda x: x * 2, given, claim).verdict == "undecided"
