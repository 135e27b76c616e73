import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn.aggr import utils as pyg

from equishare import nn


def randomised(layer):
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return layer


def copy_attention(theirs, ours):
    """Weights of ``torch.nn.MultiheadAttention`` from ours."""
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())


def copy_block(theirs, ours):
    """Weights of PyG's block from ours."""
    copy_attention(theirs.attn, ours.attention)
    theirs.lin.load_state_dict(ours.linear.state_dict())
    theirs.layer_norm1.load_state_dict(ours.attention_norm.state_dict())
    theirs.layer_norm2.load_state_dict(ours.linear_norm.state_dict())


def inputs():
    x = torch.randn(3, 7, 16, dtype=torch.float64)
    mask = torch.rand(3, 7) < 0.6
    mask[:, 0] = True
    return x, mask


def test_is_torchs_multi_head_attention():
    ours = randomised(nn.SetAttention(16, 4, dtype=torch.float64))
    theirs = torch.nn.MultiheadAttention(16, 4, batch_first=True, dtype=torch.float64)
    copy_attention(theirs, ours)
    x, mask = inputs()
    source = torch.randn(3, 7, 16, dtype=torch.float64)
    expected = theirs(x, source, source, key_padding_mask=~mask, need_weights=False)[0]
    assert torch.allclose(ours(x, source, source_mask=mask), expected)
    assert torch.allclose(ours(x), theirs(x, x, x, need_weights=False)[0])


@settings(max_examples=20)
@given(st.sampled_from([(4, 1), (4, 2), (4, 4), (6, 3)]), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**30))
def test_shared_heads_are_copied_heads(heads, n, m, seed):
    """Head h uses keys and values h // (H / G): the same numbers as attention with these repeated."""
    torch.manual_seed(seed)
    H, G = heads
    shared = randomised(nn.SetAttention(4 * H, H, G, dtype=torch.float64))
    full = nn.SetAttention(4 * H, H, dtype=torch.float64)
    state = shared.state_dict()
    for name in ("key", "value"):
        for part in ("weight", "bias"):
            by_head = state[f"{name}.{part}"].unflatten(0, (G, 4))
            state[f"{name}.{part}"] = by_head.repeat_interleave(H // G, 0).flatten(0, 1)
    full.load_state_dict(state)
    x, source = torch.randn(2, n, 4 * H, dtype=torch.float64), torch.randn(2, m, 4 * H, dtype=torch.float64)
    mask = torch.rand(2, m) < 0.7
    assert torch.allclose(shared(x, source, source_mask=mask), full(x, source, source_mask=mask))


@pytest.mark.parametrize("masked", [False, True])
def test_blocks_are_pygs_with_weights_copied(masked):
    x, mask = inputs()
    mask = mask if masked else None
    block = randomised(nn.SetAttentionBlock(16, 4, dtype=torch.float64))
    theirs = pyg.SetAttentionBlock(16, 4).double()
    copy_block(theirs.mab, block)
    assert same(block(x, mask=mask), theirs(x, mask), mask)
    induced = randomised(nn.InducedSetAttentionBlock(16, 5, 4, dtype=torch.float64))
    theirs = pyg.InducedSetAttentionBlock(16, 5, 4).double()
    theirs.ind.data.copy_(induced.points[None])
    copy_block(theirs.mab1, induced.gather)
    copy_block(theirs.mab2, induced.spread)
    assert same(induced(x, mask), theirs(x, mask), mask)
    pool = randomised(nn.AttentionPool(16, 2, 4, dtype=torch.float64))
    theirs = pyg.PoolingByMultiheadAttention(16, 2, 4).double()
    theirs.seed.data.copy_(pool.seeds[None])
    theirs.lin.load_state_dict(pool.linear.state_dict())
    copy_block(theirs.mab, pool.attend)
    assert torch.allclose(pool(x, mask), theirs(x, mask))


def same(ours, theirs, mask):
    """Equal at points; padding is zero here, and left as it comes there."""
    return torch.allclose(ours, theirs) if mask is None else torch.allclose(ours[mask], theirs[mask])


def test_nothing_to_attend_to_gives_the_bias():
    layer = randomised(nn.SetAttention(8, 2))
    x = torch.randn(2, 3, 8)
    for source, mask in [(torch.zeros(2, 0, 8), None), (torch.full((2, 4, 8), torch.nan), torch.zeros(2, 4).bool())]:
        assert torch.allclose(layer(x, source, source_mask=mask), layer.out.bias.expand(2, 3, 8))
    pool = nn.AttentionPool(8)
    assert torch.equal(pool(torch.zeros(2, 0, 8))[0], pool(torch.ones(1, 3, 8), torch.zeros(1, 3).bool())[0])


def test_shared_heads_have_fewer_weights():
    def size(kv_heads):
        return sum(p.numel() for p in nn.SetAttention(64, 8, kv_heads).parameters())

    assert size(8) == 4 * (64 * 64 + 64)
    assert size(8) - size(1) == 2 * 7 * 8 * (64 + 1)


def test_no_batch_axis_and_many():
    layer = nn.SetAttention(8, 2)
    x = torch.randn(2, 3, 5, 8)
    assert torch.allclose(layer(x)[1, 2], layer(x[1, 2]), atol=1e-6)
    block = nn.InducedSetAttentionBlock(8, 2, 2)
    assert torch.allclose(block(x)[1, 2], block(x[1, 2]), atol=1e-6)
    pool = nn.AttentionPool(8)
    assert torch.allclose(pool(x)[1, 2], pool(x[1, 2]), atol=1e-6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.SetAttention(10, 4), "heads that divide"),
        (lambda: nn.SetAttention(12, 4, 3), "kv_heads that divide"),
        (lambda: nn.SetAttention(8, 2)(torch.zeros(2, 3, 7)), r"n, 8\] expected, got \[2, 3, 7\]"),
        (lambda: nn.SetAttention(8, 2)(torch.zeros(2, 3, 8), torch.zeros(1, 3, 8)), "as many sources as sets"),
        (
            lambda: nn.SetAttention(8, 2)(torch.zeros(2, 3, 8), source_mask=torch.ones(2, 3, dtype=torch.bool)),
            "for the points themselves give mask",
        ),
        (
            lambda: nn.SetAttention(8, 2)(
                torch.zeros(2, 3, 8), torch.zeros(2, 4, 8), source_mask=torch.ones(2, 3, dtype=torch.bool)
            ),
            r"source_mask: shape \[2, 4\]",
        ),
        (lambda: nn.InducedSetAttentionBlock(8, 0), "induced: a whole number"),
        (lambda: nn.AttentionPool(8, 0), "seeds: a whole number"),
    ],
)
def test_errors(build, message, unchecked):
    with pytest.raises(ValueError, match=message):
        build()
