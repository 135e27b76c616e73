"""Layers one after the other, with representations that fit."""

from __future__ import annotations

from torch import Tensor, nn

from equishare.nn.fields.activation import ENTRYWISE, PointwiseActivation
from equishare.nn.layer import EquivarianceError, EquivariantLayer


class Sequential(EquivariantLayer):
    """f_n after ... after f_1, where each layer takes the representation that the one before it gives.

    Law: f(rho_in(g) x) = rho_out(g) f(x), as exact as its layers. Entrywise torch activations may stand among
    the layers; they are checked against the representation too.

    Raises:
        EquivarianceError: a representation does not fit, or a module is of unknown symmetry.

    >>> import torch
    >>> from equishare import groups, nn
    >>> G = groups.cyclic(4)
    >>> net = nn.Sequential(
    ...     nn.GroupConv2d(G, 1, 4, 3, lifting=True), torch.nn.ReLU(), nn.GroupPool(4 * G.regular())
    ... )
    >>> net.rep_in, net.rep_out, net(torch.zeros(1, 1, 5, 5)).shape
    (trivial(C4), 4*trivial(C4), torch.Size([1, 4, 5, 5]))
    """

    def __init__(self, *layers: nn.Module) -> None:
        if not layers or not isinstance(layers[0], EquivariantLayer):
            raise EquivarianceError("the first layer must be one with a declared input representation")
        checked: list[EquivariantLayer] = []
        for position, layer in enumerate(layers):
            if isinstance(layer, ENTRYWISE):
                layer = PointwiseActivation(checked[-1].rep_out, layer)
            if not isinstance(layer, EquivariantLayer):
                raise EquivarianceError(
                    f"layer {position}, {type(layer).__name__}, declares no representations: "
                    "use this library's layers or entrywise torch activations"
                )
            if checked and layer.rep_in != checked[-1].rep_out:
                raise EquivarianceError(
                    f"layer {position}, {type(layer).__name__}, takes {layer.rep_in}, "
                    f"but the layer before it gives {checked[-1].rep_out}"
                )
            checked.append(layer)
        super().__init__(checked[0].rep_in, checked[-1].rep_out)
        self.layers = nn.ModuleList(checked)

    def forward(self, x: Tensor) -> Tensor:
        """The layers in turn."""
        for layer in self.layers:
            x = layer(x)
        return x

    def to_torch(self) -> nn.Sequential:
        """A ``torch.nn.Sequential`` of the plain layers."""
        plain = [layer.to_torch() for layer in self.layers if isinstance(layer, EquivariantLayer)]
        return nn.Sequential(*plain).train(self.training)
