"""The adjusted Rand index against its definition by pairs of pixels, and its invariances."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare.gallery import ForegroundARI, adjusted_rand_index


def by_pairs(prediction, target):
    """Hubert and Arabie's index from the pairs themselves: (index - expected) / (maximum - expected)."""
    pairs = list(itertools.combinations(range(len(target)), 2))
    p = [prediction[i] == prediction[j] for i, j in pairs]
    t = [target[i] == target[j] for i, j in pairs]
    both, expected = sum(a and b for a, b in zip(p, t, strict=True)), sum(p) * sum(t) / max(len(pairs), 1)
    most = (sum(p) + sum(t)) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 4), st.integers(1, 4))
def test_it_is_the_index_of_pairs(seed, pixels, groups, objects):
    rng = torch.Generator().manual_seed(seed)
    prediction = torch.randint(groups, (3, pixels), generator=rng)
    target = torch.randint(objects, (3, pixels), generator=rng)
    got = adjusted_rand_index(prediction, target)
    expected = [by_pairs(p.tolist(), t.tolist()) for p, t in zip(prediction, target, strict=True)]
    assert got.tolist() == pytest.approx(expected, abs=1e-12)
    kept = [
        [(a, b) for a, b in zip(p.tolist(), t.tolist(), strict=True) if b]
        for p, t in zip(prediction, target, strict=True)
    ]
    expected = [by_pairs([a for a, _ in k], [b for _, b in k]) for k in kept]
    assert adjusted_rand_index(prediction, target, ignore=0).tolist() == pytest.approx(expected, abs=1e-12)


def test_names_and_order_do_not_matter():
    prediction, target = torch.randint(4, (5, 60)), torch.randint(3, (5, 60))
    order, names = torch.randperm(60), torch.randperm(4)
    expected = adjusted_rand_index(prediction, target)
    assert torch.equal(adjusted_rand_index(names[prediction][:, order], target[:, order]), expected)


def test_the_background_does_not_count():
    target = torch.tensor([[0, 0, 0, 1, 1, 2, 2]])
    assert float(adjusted_rand_index(torch.tensor([[3, 1, 2, 3, 3, 1, 1]]), target, ignore=0)) == 1
    assert float(adjusted_rand_index(torch.tensor([[3, 1, 2, 3, 3, 1, 1]]), target)) < 0.7


def test_random_groups_score_zero_on_average():
    prediction, target = torch.randint(4, (400, 200)), torch.randint(3, (400, 200))
    assert abs(float(adjusted_rand_index(prediction, target).mean())) < 0.003


def test_the_metric_is_the_mean_over_batches():
    metric = ForegroundARI()
    prediction, target = torch.randint(4, (7, 5, 5)), torch.randint(3, (7, 5, 5))
    for part in (slice(0, 3), slice(3, 7)):
        metric.update(prediction[part], target[part])
    expected = adjusted_rand_index(prediction.flatten(1), target.flatten(1), ignore=0).mean()
    assert float(metric.compute()) == pytest.approx(float(expected))
    metric.reset()
    metric.update(target, target)
    assert float(metric.compute()) == 1


def test_errors(unchecked):
    with pytest.raises(ValueError, match="expected"):
        adjusted_rand_index(torch.zeros(2, 3).long(), torch.zeros(2, 4).long())
    with pytest.raises(ValueError, match="negative"):
        adjusted_rand_index(torch.tensor([[-1]]), torch.tensor([[0]]))
