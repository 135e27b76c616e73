"""Siamese twins measure with one ruler; tied autoencoders and embeddings are known up to an orthogonal matrix."""

import pytest
import torch
from torch import nn as torch_nn

from equishare import nn


def encoder(dtype):
    return torch_nn.Sequential(torch_nn.Linear(6, 16), torch_nn.ReLU(), torch_nn.Linear(16, 3)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_ruler_gives_a_distance(dtype):
    twins = nn.Siamese(encoder(dtype))
    a, b, c = torch.randn(3, 20, 6, dtype=dtype)
    floor = 50 * torch.finfo(dtype).eps
    torch.testing.assert_close(twins(a, b), twins(b, a), rtol=floor, atol=floor)
    assert not twins(a, a).any()
    assert bool((twins(a, c) <= twins(a, b) + twins(b, c) + floor).all())


def test_two_rulers_give_none():
    first, second = encoder(torch.float64), encoder(torch.float64)
    a, b = torch.randn(2, 20, 6, dtype=torch.float64)

    def distance(a, b):
        return (first(a) - second(b)).norm(dim=1)

    assert float((distance(a, b) - distance(b, a)).detach().abs().max()) > 0.05
    assert float(distance(a, a).detach().min()) > 0.01


def test_gradient_of_equal_twins_is_finite():
    twins = nn.Siamese(encoder(torch.float64))
    a = torch.randn(2, 6, dtype=torch.float64)
    twins(a, a).sum().backward()
    assert all(not p.grad.isnan().any() for p in twins.parameters())


@pytest.mark.usefixtures("unchecked")
def test_twins_of_two_shapes():
    with pytest.raises(nn.LayerError, match="one shape"):
        nn.Siamese(encoder(torch.float32))(torch.zeros(2, 6), torch.zeros(3, 6))


def turned(size, improper, dtype):
    """An orthogonal matrix of any size, with a given determinant."""
    matrix, upper = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))
    matrix = matrix * upper.diagonal().sign()
    matrix[0] *= torch.linalg.det(matrix).sign() * (-1 if improper else 1)
    assert float(torch.linalg.det(matrix)) == pytest.approx(-1 if improper else 1)
    return matrix.to(dtype)


@pytest.mark.parametrize("improper", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", [None, torch_nn.Tanh()])
def test_orthogonal_family_of_autoencoders(activation, dtype, improper):
    net = nn.TiedAutoencoder([7, 5, 3], activation, dtype=dtype)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.2 * torch.randn_like(p))
    x = torch.randn(9, 7, dtype=dtype)
    before, code, gram = net(x), net.encode(x), net.weight_1.mT @ net.weight_1
    q = turned(3, improper, dtype)
    with torch.no_grad():
        net.weight_1.copy_(q @ net.weight_1)
        net.bias_1.copy_(q @ net.bias_1)
    tolerance = 100 * torch.finfo(dtype).eps
    torch.testing.assert_close(net(x), before, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(net.encode(x), code @ q.mT, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(net.weight_1.mT @ net.weight_1, gram, rtol=tolerance, atol=tolerance)
    skew = torch.eye(3, dtype=dtype) + 0.3 * torch.randn(3, 3, dtype=dtype)  # invertible is not enough
    with torch.no_grad():
        net.weight_1.copy_(skew @ net.weight_1)
        net.bias_1.copy_(skew @ net.bias_1)
    assert float((net(x) - before).detach().abs().max()) > 1e-2


def test_linear_autoencoder_finds_the_principal_subspace():
    """The best W has W^T W = the projector on the leading principal axes (Baldi & Hornik 1989), whatever the start."""
    scales = torch.tensor([3.0, 2.0, 1.5, 0.5, 0.3, 0.1], dtype=torch.float64)
    basis = turned(6, False, torch.float64)
    x = (torch.randn(400, 6, dtype=torch.float64) * scales) @ basis.mT
    axes = torch.linalg.svd(x, full_matrices=False).Vh[:3]
    solutions = []
    for seed in range(2):
        torch.manual_seed(seed)
        net = nn.TiedAutoencoder([6, 3], bias=False, dtype=torch.float64)
        optimizer = torch.optim.LBFGS(
            net.parameters(), max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
        )

        def closure(net=net, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (net(x) - x).square().mean()
            loss.backward()
            return loss

        optimizer.step(closure)
        solutions.append(net.weight_0.detach())
    for w in solutions:
        torch.testing.assert_close(w.mT @ w, axes.mT @ axes, rtol=1e-5, atol=1e-5)
    q = solutions[1] @ solutions[0].mT  # the turn from one solution to the other
    torch.testing.assert_close(q @ q.mT, torch.eye(3, dtype=torch.float64), rtol=1e-5, atol=1e-5)
    assert float((solutions[1] - solutions[0]).abs().max()) > 0.1


@pytest.mark.parametrize("improper", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthogonal_family_of_embeddings(dtype, improper):
    layer = nn.TiedEmbedding(11, 4, dtype=dtype)
    tokens = torch.randint(11, (5,))
    before = layer.scores(layer(tokens))
    gram = layer.weight @ layer.weight.mT
    q = turned(4, improper, dtype)
    with torch.no_grad():
        layer.weight.copy_(layer.weight @ q)
    tolerance = 50 * torch.finfo(dtype).eps
    torch.testing.assert_close(layer.scores(layer(tokens)), before, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(layer.weight @ layer.weight.mT, gram, rtol=tolerance, atol=tolerance)


def test_renamed_tokens_have_renamed_scores():
    layer = nn.TiedEmbedding(11, 4)
    order = torch.randperm(11)
    renamed = nn.TiedEmbedding(11, 4)
    with torch.no_grad():
        renamed.weight.copy_(layer.weight[order])
        renamed.bias.copy_(layer.bias[order].normal_())
        layer.bias[order] = renamed.bias
    tokens = torch.arange(11)
    scores = layer.scores(layer(order[tokens]))
    torch.testing.assert_close(renamed.scores(renamed(tokens)), scores[:, order])


@pytest.mark.usefixtures("unchecked")
def test_wrong_sizes():
    with pytest.raises(nn.LayerError, match="sizes of the input and the code"):
        nn.TiedAutoencoder([3])
    net = nn.TiedAutoencoder([3, 2])
    with pytest.raises(nn.LayerError, match=r"\[..., 3\] expected"):
        net(torch.zeros(1, 2))
    with pytest.raises(nn.LayerError, match=r"\[..., 2\] expected"):
        net.decode(torch.zeros(1, 3))
