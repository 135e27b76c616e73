"""The committee: the posterior's covariance, predictions as they were, uncertainties that are what they say."""

import copy

import numpy as np
import pytest
import torch

from equishare.potential import Committee, ModelFileError, collate, from_atoms, load, read_header, save


@pytest.fixture(scope="module")
def uncertain(make_potential):
    """``uncertain(members)``: a random potential with a committee from a random posterior."""

    def make(members, dtype=torch.float64):
        potential = copy.deepcopy(make_potential())
        n = potential.energy.n_inputs
        generator = torch.Generator().manual_seed(2)
        rows = torch.randn(3 * n, n, generator=generator, dtype=torch.float64)
        potential.committee = Committee(n, members, energy_factor=0.5, forces_factor=2.0).double()
        potential.committee.set_precision(rows.T @ rows, generator)
        return potential.to(dtype)

    return make


def test_members_have_the_covariance_of_the_posterior():
    rows = torch.randn(40, 12, dtype=torch.float64)
    precision = rows.T @ rows
    committee = Committee(12, 4).double()
    committee.set_precision(precision, torch.Generator().manual_seed(0), ridge=0.0)
    covariance = committee.directions.T @ committee.directions
    assert torch.allclose(covariance @ precision, torch.eye(12, dtype=torch.float64), atol=1e-10)
    # a random rotation: no member is an axis of the posterior
    assert float((committee.directions @ committee.directions.T).fill_diagonal_(0).abs().max()) > 1e-4


def test_predictions_stay_as_they_are(uncertain, make_potential, structures):
    plain, potential = make_potential(), uncertain(3)
    frames = list(structures.values())
    for a, b in zip(
        plain.predict(frames, stress=True), potential.predict(frames, stress=True, forces_uncertainty=True), strict=True
    ):
        assert a["energy"] == b["energy"]
        assert np.array_equal(a["forces"], b["forces"])
        assert np.array_equal(a["stress"], b["stress"])
        assert b["forces_uncertainty"].shape == (len(b["forces"]),)
        assert "energy_uncertainty" not in a


def test_uncertainties_are_the_spread_of_members_that_are_built_out(uncertain, ethanol):
    """Each member is a potential of its own: its last weights are the mean's and its deviation."""
    potential = uncertain(14)  # all that there are
    (found,) = potential.predict([ethanol], forces_uncertainty=True)
    energies, forces = [], []
    for row in potential.committee.directions:
        member = copy.deepcopy(potential)
        member.committee = None
        with torch.no_grad():
            member.energy.readouts[0].read.weight += row[:6]
            member.energy.readouts[1].read[2].weight += row[6:]
        (own,) = member.predict([ethanol])
        (mean,) = potential.predict([ethanol])
        energies.append(own["energy"] - mean["energy"])
        forces.append(own["forces"] - mean["forces"])
    assert found["energy_uncertainty"] == pytest.approx(0.5 * np.linalg.norm(energies), rel=1e-6)
    per_atom = 2.0 * np.sqrt(np.sum(np.square(forces), axis=0).mean(axis=1))
    assert np.allclose(found["forces_uncertainty"], per_atom, rtol=1e-6)


def test_fewer_members_are_a_fair_sample(uncertain, ethanol):
    potential = uncertain(14)
    directions = potential.committee.directions.clone()
    (every,) = potential.predict([ethanol], forces_uncertainty=True)
    potential.committee.members = 4
    squares = []
    for _ in range(200):
        turn = torch.linalg.qr(torch.randn(14, 14, dtype=torch.float64))[0]
        potential.committee.directions.copy_(turn @ directions)
        (found,) = potential.predict([ethanol], forces_uncertainty=True)
        assert found["energy_uncertainty"] == pytest.approx(every["energy_uncertainty"], rel=1e-9)
        squares.append(found["forces_uncertainty"] ** 2)
    assert np.allclose(np.mean(squares, axis=0) / every["forces_uncertainty"] ** 2, 1, atol=0.2)


def test_symmetry(uncertain, ethanol, orthogonal):
    potential = uncertain(5)
    (found,) = potential.predict([ethanol], forces_uncertainty=True)
    for improper in (False, True):
        turned = ethanol.copy()
        turned.positions = ethanol.positions @ orthogonal(improper).numpy().T + 3.0
        order = np.random.default_rng(0).permutation(len(ethanol))
        (again,) = potential.predict([turned[order]], forces_uncertainty=True)
        assert again["energy_uncertainty"] == pytest.approx(found["energy_uncertainty"], rel=1e-9)
        assert np.allclose(again["forces_uncertainty"], found["forces_uncertainty"][order], rtol=1e-9)


def test_a_batch_is_its_structures(uncertain, structures):
    potential = uncertain(3)
    frames = list(structures.values())
    together = potential.predict(frames, forces_uncertainty=True)
    for atoms, found in zip(frames, together, strict=True):
        (alone,) = potential.predict([atoms], forces_uncertainty=True)
        assert alone["energy_uncertainty"] == pytest.approx(found["energy_uncertainty"], rel=1e-9)
        assert np.allclose(alone["forces_uncertainty"], found["forces_uncertainty"], rtol=1e-9)


def test_forces_are_not_derived_where_they_are_not_asked_for(uncertain, ethanol, monkeypatch):
    potential = uncertain(5)
    graph = collate([from_atoms(ethanol, potential.cutoff)])
    passes, real = [], torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: passes.append(1) or real(*a, **k))
    assert potential(graph).energy_uncertainty is not None
    assert len(passes) == 1
    potential(graph, forces_uncertainty=True)
    assert len(passes) == 1 + 1 + 5


def test_it_is_in_the_model_file(uncertain, ethanol, tmp_path):
    potential = uncertain(3)
    file = tmp_path / "m.safetensors"
    save(potential, file)
    assert read_header(file).committee.members == 3
    (a,), (b,) = (p.predict([ethanol], forces_uncertainty=True) for p in (potential, load(file)))
    assert a["energy_uncertainty"] == b["energy_uncertainty"]
    assert np.array_equal(a["forces_uncertainty"], b["forces_uncertainty"])


def test_a_header_that_names_too_many_members_is_damaged(uncertain, tmp_path):
    file = tmp_path / "m.safetensors"
    save(uncertain(3), file)
    file.write_bytes(file.read_bytes().replace(b'\\"members\\":3', b'\\"members\\":0'))
    with pytest.raises(ModelFileError, match="members"):
        load(file)


def test_too_many_members_are_refused():
    with pytest.raises(ValueError, match="expected 1 to 4 members"):
        Committee(4, 5)
