import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare import nn


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4), max_size=6))
def test_there_and_back(sizes):
    batch = torch.repeat_interleave(torch.tensor(sizes, dtype=torch.long))
    x = torch.randn(len(batch), 3)
    padded, mask = nn.to_padded(x, batch, len(sizes))
    assert padded.shape == (len(sizes), max(sizes, default=0), 3)
    assert mask.sum(1).tolist() == sizes
    assert not padded[~mask].any()
    points, again = nn.from_padded(padded, mask)
    assert torch.equal(points, x)
    assert torch.equal(again, batch)


def test_errors(unchecked):
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="sort the points"):
        nn.to_padded(x, torch.tensor([0, 1, 0]))
    with pytest.raises(ValueError, match="from 0 to 1"):
        nn.to_padded(x, torch.tensor([0, 1, 2]), 2)
    with pytest.raises(ValueError, match="int64"):
        nn.to_padded(x, torch.zeros(3))
    with pytest.raises(nn.LayerError, match="boolean"):
        nn.from_padded(x[None], torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"\[1, 3\] expected"):
        nn.from_padded(x[None], torch.ones(1, 4, dtype=torch.bool))


def test_every_axis_of_points_has_the_same_size():
    layer = nn.PermutationTensorLinear(3, 1, 2, 2)
    with pytest.raises(nn.LayerError, match=r"\[..., n, n, n, 2\] expected, got \[4, 3, 3, 2\]"):
        layer(torch.zeros(4, 3, 3, 2))
