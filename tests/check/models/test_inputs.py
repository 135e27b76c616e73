"""What may be checked: functions, NumPy, graphs, layers of e3nn, images, sets; and what is said of inputs that cannot be."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from equishare._e3nn import o3
from equishare.check import (
    Cartesian,
    Image,
    equivariance,
    geometric,
    group,
    image,
    molecule,
    point_cloud,
    set_,
)


def points(n=7, seed=0, dtype=torch.float32):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_a_function_with_constants_inside_is_judged_by_monte_carlo():
    weight = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    mixed = equivariance(lambda x: torch.tanh(x @ weight), (points(),), geometric("forces", "forces"))
    assert mixed.floor_method == "Monte Carlo arithmetic"
    assert mixed.verdict == "fail"
    scale = torch.tensor([0.3])
    scaled = equivariance(
        lambda x: x * (x.square().sum(-1, keepdim=True) @ scale[:, None]),
        (points(),),
        geometric("forces", "forces"),
    )
    assert scaled.floor_method == "Monte Carlo arithmetic"
    assert scaled.passed, scaled


def test_numpy_functions_can_be_checked():
    def energy(x):
        x = x.detach().numpy()
        return torch.as_tensor(((x[:, None] - x[None]) ** 2).sum(-1).max())

    report = equivariance(energy, (points(dtype=torch.float64),), point_cloud())
    assert report.passed, report
    assert any("gradients not tested" in note for note in report.notes)


def test_pyg_data_and_batches():
    class Model(nn.Module):
        def forward(self, data):
            i, j = data.edge_index
            d = (data.pos[i] - data.pos[j]).norm(dim=-1)
            out = d.new_zeros(int(data.batch.max()) + 1)
            return out.index_add(0, data.batch[i], d * data.z[i] * data.z[j])

    edges = torch.tensor([[0, 1, 1, 2, 3, 4, 4, 5], [1, 0, 2, 1, 4, 3, 5, 4]])
    data = Data(
        z=torch.tensor([1, 6, 8, 1, 1, 7]),
        pos=points(6),
        edge_index=edges,
        batch=torch.tensor([0, 0, 0, 1, 1, 1]),
    )
    report = equivariance(Model(), data, molecule())
    assert report.passed, report
    assert set(report.factors) >= {"edge order", "permutation", "reflection"}


def test_layers_of_e3nn():
    layer = o3.FullyConnectedTensorProduct("4x0e+4x1o", "4x0e+4x1o", "4x0e+4x1o+2x2e")
    x = torch.randn(6, 16)
    claim = geometric(("atoms: 4x0e+4x1o",) * 2, "atoms: 4x0e+4x1o+2x2e")
    assert equivariance(layer, (x, x), claim).passed


def test_images_sets_and_groups():
    x = torch.randn(1, 2, 8, 8)
    blur = nn.AvgPool2d(3, 1, 1)
    assert equivariance(blur, x, image("D4")).passed
    assert not equivariance(blur, x, image("C1", translations=True, outputs=Image())).passed
    assert equivariance(lambda s: s.sum(0), torch.randn(5, 2), set_()).passed
    assert not equivariance(lambda s: s.cumsum(0), torch.randn(5, 2), set_()).passed

    class Cyclic:
        group, size = type("C5", (), {"random": lambda self, g: int(torch.randint(5, (), generator=g))})(), 5

        def matrix(self, k):
            return torch.eye(5).roll(k, 0)

    rep = Cyclic()
    circulant = torch.stack([torch.arange(5.0).roll(k) for k in range(5)])
    assert equivariance(lambda v: v @ circulant, torch.randn(3, 5), group(rep, rep)).passed
    assert not equivariance(lambda v: v * torch.arange(5.0), torch.randn(3, 5), group(rep, rep)).passed


def test_mistakes_of_the_caller_are_explained():
    with pytest.raises(ValueError, match="no tensor"):
        equivariance(lambda x: x, "text", point_cloud())
    with pytest.raises(ValueError, match="shape `outputs` like"):
        equivariance(lambda x: {"a": x}, (points(),), point_cloud(outputs={"b": "forces"}))
    with pytest.raises(ValueError, match="nothing of the claim"):
        equivariance(lambda x: x, (points(),), molecule((Cartesian(),)).__class__("none", (), (Cartesian(),)))
    with pytest.raises(ValueError, match="7 atoms"):
        equivariance(lambda z, r: r, (torch.ones(6), points()), molecule(("species", "positions")))
