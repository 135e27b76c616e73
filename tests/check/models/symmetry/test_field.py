import pytest
import torch
from torch import nn as torch_nn

from equishare import groups, nn
from equishare.check import Element, Field, equivariance, group, image

C4, D4 = groups.cyclic(4), groups.dihedral(4)


def layers(G):
    return nn.Sequential(
        nn.GroupConv2d(G, 1, 3, 3, lifting=True),
        torch_nn.ReLU(),
        nn.GroupConv2d(G, 3, 3, 3),
        torch_nn.ReLU(),
        nn.GroupPool(3 * G.regular()),
    )


def picture(size=9):
    return torch.randn(2, 1, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("G", [C4, D4])
@pytest.mark.parametrize("representation", ["trivial", "regular", "defining"])
def test_fields_are_an_action(G, representation):
    rho = getattr(G, representation)()
    field = Field(rho, 2)
    x = torch.randn(2, rho.size, 4, 4, dtype=torch.float64)
    for g in G.elements:
        for h in G.elements[:3]:
            both = field.apply(x, Element(abstract=G.product(g, h)))
            assert torch.allclose(field.apply(field.apply(x, Element(abstract=h)), Element(abstract=g)), both)


@pytest.mark.parametrize("G", [C4, D4])
def test_our_convolutions_pass(G):
    model = layers(G)
    report = equivariance(model, picture(), group(model.rep_in, model.rep_out, space=2))
    assert report.passed, report
    assert report.tests[0].samples == G.order - 1
    assert report.tests[0].confidence == 1.0


@pytest.mark.parametrize("name", ["C4", "D4"])
def test_they_pass_as_images_too(name):
    report = equivariance(layers({"C4": C4, "D4": D4}[name]), picture(), image(name))
    assert report.passed, report


def test_an_untied_filter_is_found():
    model = layers(C4)

    class Untied(torch_nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer
            self.noise = torch_nn.Conv2d(layer.in_channels, layer.out_channels, 3, padding=1)
            self.rep_in, self.rep_out = layer.rep_in, layer.rep_out

        def forward(self, x):
            return self.layer(x) + 1e-2 * self.noise(x)

    model.layers[2] = Untied(model.layers[2])
    for claim in (group(model.rep_in, model.rep_out, space=2), image("C4")):
        report = equivariance(model, picture(), claim)
        assert report.verdict == "fail"
        assert report.culprit in ("layers.2", "layers.2.noise")


@pytest.mark.parametrize("G", [C4, D4, groups.symmetric(4), groups.octahedral()])
def test_shared_linear_and_a_dense_layer_in_its_place(G):
    rho = G.regular()
    first, last = nn.SharedLinear(G.permutation(), rho), nn.SharedLinear(rho, G.permutation())
    x = torch.randn(5, first.in_channels)
    claim = group(G.permutation(), G.permutation())
    assert equivariance(torch_nn.Sequential(first, torch_nn.Tanh(), last), x, claim).passed

    dense = torch_nn.Linear(rho.size, rho.size)
    report = equivariance(torch_nn.Sequential(first, torch_nn.Tanh(), dense, last), x, claim)
    assert report.verdict == "fail"
    assert report.culprit == "2"


def test_a_layer_with_another_action_than_it_declares_is_named():
    """Columns in another order: an action of C4, but not that of the declared representation."""
    rho = C4.regular()

    class Swapped(nn.SharedLinear):
        def forward(self, x):
            return super().forward(x)[..., [1, 0, 2, 3]]

    model = torch_nn.Sequential(nn.SharedLinear(rho, rho), Swapped(rho, rho), nn.SharedLinear(rho, rho))
    report = equivariance(model, torch.randn(5, 4), group(rho, rho))
    assert report.verdict == "fail"
    assert report.culprit == "1"
