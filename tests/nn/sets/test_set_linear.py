import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare import nn


def test_formula():
    layer = nn.SetLinear(3, 2, dtype=torch.float64)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    mean = x.mean(1, keepdim=True)
    assert torch.allclose(layer(x), (x - mean) @ layer.weight[1] + mean @ layer.weight[0] + layer.bias)


@pytest.mark.parametrize("masked", [False, True])
def test_is_the_permutation_linear_layer_of_order_one(masked):
    layer, general = nn.SetLinear(3, 2), nn.PermutationLinear(1, 1, 3, 2)
    torch.nn.init.normal_(layer.bias)
    general.load_state_dict({"weight": layer.weight, "bias": layer.bias[None]})
    x = torch.randn(4, 6, 3)
    mask = torch.rand(4, 6) < 0.5 if masked else None
    assert torch.allclose(layer(x, mask), general(x, mask), atol=1e-6)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 2**30))
def test_a_batch_vector_gives_what_padded_sets_give(sizes, seed):
    torch.manual_seed(seed)
    layer = nn.SetLinear(3, 2, dtype=torch.float64)
    torch.nn.init.normal_(layer.bias)
    batch = torch.repeat_interleave(torch.tensor(sizes))
    x = torch.randn(len(batch), 3, dtype=torch.float64)
    padded, mask = nn.to_padded(x, batch, len(sizes))
    points, again = nn.from_padded(layer(padded, mask), mask)
    assert torch.equal(again, batch)
    assert torch.allclose(layer(x, batch=batch), points)
    order = torch.randperm(len(batch))
    assert torch.allclose(layer(x[order], batch=batch[order]), points[order])


def test_errors(unchecked):
    layer, x = nn.SetLinear(3, 2), torch.zeros(4, 3)
    with pytest.raises(ValueError, match="give one of them"):
        layer(x, torch.ones(4, dtype=torch.bool), batch=torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match=r"\[points, channels\] and int64"):
        layer(x, batch=torch.zeros(5, dtype=torch.long))
    with pytest.raises(ValueError, match="from 0"):
        layer(x, batch=torch.full((4,), -1))
    with pytest.raises(ValueError, match=r"n, 3\] expected, got \[4, 2\]"):
        layer(x[:, :2])
