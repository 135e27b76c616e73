import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.utils import scatter

from equishare import nn
from equishare.nn.sets.set_pool import REDUCTIONS


@settings(max_examples=40)
@given(st.sampled_from(REDUCTIONS), st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 2**30))
def test_list_padded_and_pygs_scatter_agree(reduce, sizes, seed):
    torch.manual_seed(seed)
    batch = torch.repeat_interleave(torch.tensor(sizes))
    x = torch.randn(len(batch), 3, dtype=torch.float64) + 3
    pool = nn.SetPool(reduce)
    out = pool(x, batch=batch, batch_size=len(sizes))
    assert torch.allclose(out, pool(*nn.to_padded(x, batch, len(sizes))))
    if reduce != "std":
        assert torch.allclose(out, scatter(x, batch, dim_size=len(sizes), reduce=reduce))
    else:
        expected = [part.std(0, correction=0) if len(part) else torch.zeros(3) for part in x.split(sizes)]
        assert torch.allclose(out, torch.stack([part.double() for part in expected]))
    order = torch.randperm(len(batch))
    assert torch.allclose(pool(x[order], batch=batch[order], batch_size=len(sizes)), out)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_full_sets(reduce):
    x = torch.randn(2, 3, 5, 4)
    expected = {
        "sum": x.sum(2),
        "mean": x.mean(2),
        "max": x.amax(2),
        "min": x.amin(2),
        "std": x.std(2, correction=0),
    }[reduce]
    assert torch.allclose(nn.SetPool(reduce)(x), expected, atol=1e-6)
    assert torch.equal(nn.SetPool(reduce)(x[:, :, :0]), torch.zeros(2, 3, 4))


def test_deviation_of_equal_points_has_a_derivative():
    x = torch.ones(1, 4, 2, requires_grad=True)
    nn.SetPool("std")(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros(1, 4, 2))


def test_real_nan_is_not_hidden():
    x = torch.tensor([[[1.0], [float("nan")]]])
    assert nn.SetPool(REDUCTIONS)(x).isnan().all()


def test_errors(unchecked):
    with pytest.raises(ValueError, match="sum, mean, max, min, std expected, got 'median'"):
        nn.SetPool("median")
    with pytest.raises(ValueError, match="expected, got"):
        nn.SetPool(())
    with pytest.raises(ValueError, match="give one of them"):
        nn.SetPool()(torch.zeros(3, 2), torch.ones(3).bool(), batch=torch.zeros(3).long())
    with pytest.raises(ValueError, match="from 0 to 1 expected, got 0 to 2"):
        nn.SetPool()(torch.zeros(3, 2), batch=torch.arange(3), batch_size=2)
    with pytest.raises(ValueError, match="channels"):
        nn.SetPool()(torch.zeros(3))
