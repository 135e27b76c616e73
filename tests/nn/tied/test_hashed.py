"""Hashed layers: the pattern of `sharing.hashed`, unbiased inner products, memory."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equishare import nn, sharing


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**40), st.data())
def test_both_layers_follow_the_pattern(rows, columns, seed, data):
    n_free = data.draw(st.integers(1, rows * columns))
    pattern = sharing.hashed((rows, columns), n_free, seed)
    linear = nn.HashedLinear(columns, rows, n_free, seed=seed)
    embedding = nn.HashedEmbedding(rows, columns, n_free, seed=seed)
    assert torch.equal(linear.full_weight(), pattern.expand(linear.weight))
    assert torch.equal(embedding(torch.arange(rows)), pattern.expand(embedding.weight))
    assert torch.equal(linear.to_torch().weight, linear.full_weight())
    assert torch.equal(embedding.to_torch().weight, pattern.expand(embedding.weight))


def test_hashes_are_those_of_splitmix():
    """The finaliser's published first outputs for seed 1234567 (Vigna's splitmix64.c), through our keys."""
    state, step = 1234567, 0x9E3779B97F4A7C15
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    from equishare.sharing.hashing import _mix

    keys = torch.tensor([state + k * step - (1 << 64) * ((state + k * step) >= 1 << 63) for k in range(3)])
    assert [int(v) % (1 << 64) for v in _mix(keys, 0)] == expected


@pytest.mark.parametrize("n_free", [1, 7, 64, 1000])
def test_indices_and_signs_are_even(n_free):
    count = 64_000
    hashes = sharing.signed_hash(torch.arange(count), n_free, seed=5)
    uses = torch.bincount(hashes % n_free, minlength=n_free).double()
    # chi-squared of n_free - 1 degrees of freedom, five standard deviations
    chi = float(((uses - count / n_free) ** 2 / (count / n_free)).sum())
    assert abs(chi - (n_free - 1)) < 5 * (2 * n_free) ** 0.5
    negative = float((hashes >= n_free).double().mean())
    assert abs(negative - 0.5) < 5 * 0.5 / count**0.5


def test_sign_hash_makes_inner_products_unbiased():
    """<phi(x), phi(y)> averages to <x, y> over seeds with signs; without them it is biased by the sums (Weinberger 2009)."""
    n, n_free, seeds = 60, 20, 3000
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, n, generator=generator, dtype=torch.float64)
    signed, unsigned = [], []
    for seed in range(seeds):
        hashes = sharing.signed_hash(torch.arange(n), n_free, seed)
        sign = torch.where(hashes < n_free, 1.0, -1.0).double()
        for products, s in ((signed, sign), (unsigned, torch.ones_like(sign))):
            sums = torch.zeros(2, n_free, dtype=torch.float64).index_add(1, hashes % n_free, torch.stack([x, y]) * s)
            products.append(float(sums[0] @ sums[1]))
    means = [torch.tensor(v, dtype=torch.float64) for v in (signed, unsigned)]
    error = float(means[0].std()) / seeds**0.5
    assert abs(float(means[0].mean() - x @ y)) < 4 * error
    bias = float(x.sum() * y.sum() - x @ y) / n_free
    assert abs(float(means[1].mean() - x @ y) - bias) < 4 * float(means[1].std()) / seeds**0.5
    assert bias > 20 * error


def test_starting_values_are_those_of_torch():
    layer = nn.HashedLinear(300, 200, 5000)
    plain = torch.nn.Linear(300, 200)
    assert float(layer.full_weight().detach().std()) == pytest.approx(float(plain.weight.detach().std()), rel=0.05)


def test_embedding_of_a_billion_tokens_fits():
    layer = nn.HashedEmbedding(10**9, 64, n_free=1000)
    tokens = torch.tensor([[0, 10**9 - 1, 5], [5, 5, 0]])
    out = layer(tokens)
    assert out.shape == (2, 3, 64)
    assert torch.equal(out[0, 2], out[1, 0])
    assert torch.equal(out[0, 0], out[1, 2])
    assert not torch.equal(out[0, 0], out[0, 1])


def test_files_hold_base_weights_and_the_seed_rebuilds_the_rest():
    layer = nn.HashedLinear(20, 10, 30, seed=4)
    other = nn.HashedLinear(20, 10, 30, seed=4)
    other.load_state_dict(layer.state_dict())
    x = torch.randn(3, 20)
    assert torch.equal(layer(x), other(x))
    assert set(layer.state_dict()) == {"weight", "bias"}
    wrong = nn.HashedLinear(20, 10, 30, seed=5)
    wrong.load_state_dict(layer.state_dict())
    assert not torch.allclose(layer(x), wrong(x))


def test_casts_keep_the_table():
    layer = nn.HashedLinear(20, 10, 30).half().double()
    assert layer.table.dtype == torch.int32
    assert layer(torch.zeros(1, 20, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.usefixtures("unchecked")
def test_wrong_numbers():
    for n_free in (0, 7):
        with pytest.raises(nn.LayerError, match="n_free from 1 to 6"):
            nn.HashedLinear(2, 3, n_free)
        with pytest.raises(nn.LayerError, match="n_free from 1 to 6"):
            nn.HashedEmbedding(2, 3, n_free)
    with pytest.raises(nn.LayerError, match="expected, got"):
        nn.HashedLinear(2, 3, 4)(torch.zeros(1, 3))
    for token in (-1, 2):
        with pytest.raises(nn.LayerError, match="tokens from 0 to 1"):
            nn.HashedEmbedding(2, 3, 4)(torch.tensor([token]))
    assert nn.HashedEmbedding(2, 3, 4)(torch.zeros(0, dtype=torch.long)).shape == (0, 3)
