"""Outputs whose type nobody gave."""

import torch

from equishare.check import equivariance, molecule, point_cloud

Z = torch.tensor([1, 6, 7, 8, 1, 6, 1])
POS = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))


def steps(pos):
    d = pos[:, None] - pos[None]
    return (d * torch.exp(-d.square().sum(-1, keepdim=True))).sum(1)


def test_positions_in_a_tuple_are_named_as_the_reading_that_would_pass():
    report = equivariance(lambda z, pos: (z.float(), pos + steps(pos)), (Z, POS), molecule())
    assert report.verdict == "fail"
    notes = {t.note for t in report.tests if t.verdict == "fail" and not t.gradient}
    assert any("as positions it would pass" in note and "'positions'" in note for note in notes)
    typed = molecule(outputs=("atoms", "positions"))
    assert equivariance(lambda z, pos: (z.float(), pos + steps(pos)), (Z, POS), typed).passed


def test_a_pseudovector_is_named():
    def turning(pos):
        return torch.linalg.cross(steps(pos), steps(1.1 * pos))

    notes = "".join(t.note for t in equivariance(turning, (POS,), point_cloud()).tests)
    assert "as pseudovector per atom it would pass" in notes


def test_an_output_that_no_reading_saves_gets_no_excuse():
    report = equivariance(lambda pos: steps(pos).abs(), (POS,), point_cloud())
    assert report.verdict == "fail"
    assert not any("would pass" in t.note for t in report.tests)


def named(**outputs):
    return equivariance(lambda z, pos: {k: f(pos) for k, f in outputs.items()}, (Z, POS), molecule())


def energy(pos):
    return torch.cdist(pos, pos).tanh().sum()


def test_a_broken_output_with_a_name_that_says_nothing_is_not_overlooked():
    report = named(energy=energy, extra=lambda pos: pos[:, 0].abs().sum())
    assert report.verdict == "undecided"
    assert "give its type" in str(report)
    slightly = named(energy=energy, extra=lambda pos: energy(pos) + 1e-3 * pos[:, 0].abs().sum())
    assert slightly.verdict == "fail"


def test_a_sound_output_with_such_a_name_is_read_as_what_it_is():
    report = named(energy=energy, moved=lambda pos: pos + steps(pos), pull=steps, bulk=lambda pos: pos.T @ steps(pos))
    assert report.passed, report
    kinds = {t.quantity: t.transform for t in report.tests}
    assert (kinds["moved"], kinds["pull"], kinds["bulk"]) == ("positions", "vector per atom", "matrix")


def test_hidden_features_that_carry_an_action_are_left_out_with_a_note():
    report = named(energy=energy, node_feats=lambda pos: torch.cat([steps(pos), steps(pos).norm(dim=1)[:, None]], 1))
    assert report.passed, report
    assert any("node_feats, which carries an action" in note for note in report.notes)
