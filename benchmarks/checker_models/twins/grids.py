"""Mistakes on images and sets."""
# ruff: noqa: D102

import torch
from torch import Tensor, nn

from checker_models.twins.twins import Twins, seeded
from equishare.check import Image, image, set_


class C4Convolution(nn.Module):
    """A group convolution: filters turned four times, group axis rolled along.

    Broken ways: `stride` 2 on an even size, `forget_roll` of the group axis.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, forget_roll: bool = False) -> None:
        super().__init__()
        self.stride, self.forget_roll = stride, forget_roll
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, 4, 3, 3) / 6)

    def forward(self, x: Tensor) -> Tensor:
        turned = [
            torch.rot90(self.weight if self.forget_roll else self.weight.roll(r, 2), r, (-2, -1)).flatten(1, 2)
            for r in range(4)
        ]
        weight = torch.stack(turned, 1).flatten(0, 1)
        y = nn.functional.conv2d(x.flatten(1, 2), weight, stride=self.stride, padding=1)
        return y.unflatten(1, (-1, 4))


class C4Network(nn.Module):
    """An image, lifted to four orientations, convolved twice, pooled over the group and the plane."""

    def __init__(self, stride: int = 1, forget_roll: bool = False) -> None:
        super().__init__()
        self.lift = C4Convolution(1, 4)
        self.middle = C4Convolution(4, 4, stride, forget_roll)
        self.last = C4Convolution(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.lift(x[:, :, None].expand(-1, -1, 4, -1, -1)))
        h = torch.relu(self.middle(h))
        return self.last(h).amax(2).mean((-2, -1))


def _cnn(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers)


def _turned_filters(seed: int, symmetric: bool) -> nn.Module:
    """A plain CNN; its twin has filters averaged over the four turns, so that it is invariant."""
    model = _cnn(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1))
    if symmetric:
        for layer in (model[0], model[2]):
            turned = sum(torch.rot90(layer.weight.data, r, (-2, -1)) for r in range(4)) / 4
            layer.weight.data.copy_(turned)
    return model


def _circular(kernel: int = 3, channels: tuple[int, int] = (6, 6)) -> nn.Conv2d:
    return nn.Conv2d(*channels, kernel, padding=kernel // 2, padding_mode="circular")


def _zero_padding(broken: bool) -> nn.Module:
    middle = nn.Conv2d(6, 6, 3, padding=1) if broken else _circular()
    return _cnn(_circular(channels=(1, 6)), nn.ReLU(), middle, nn.ReLU(), _circular(), nn.AdaptiveAvgPool2d(1))


def _pooling(broken: bool) -> nn.Module:
    pool = nn.MaxPool2d(2, stride=2) if broken else nn.Identity()
    return _cnn(_circular(channels=(1, 6)), nn.ReLU(), pool, _circular(), nn.ReLU(), nn.AdaptiveAvgPool2d(1))


class Coordinates(nn.Module):
    """Add a ramp over the rows (CoordConv); the twin adds a constant."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken

    def forward(self, x: Tensor) -> Tensor:
        ramp = torch.linspace(0, 1, x.shape[-2], device=x.device, dtype=x.dtype)[:, None]
        return x + (ramp if self.broken else ramp.mean())


def _coordinates(broken: bool) -> nn.Module:
    return _cnn(_circular(channels=(1, 6)), Coordinates(broken), nn.ReLU(), _circular(), nn.AdaptiveAvgPool2d(1))


def _one_sided(broken: bool) -> nn.Module:
    pad = nn.ZeroPad2d((0, 2, 0, 2) if broken else (1, 1, 1, 1))
    return _cnn(nn.AvgPool2d(3, 1, 1), pad, nn.AvgPool2d(3, 1), nn.ReLU())


class Attention(nn.Module):
    """Self-attention over a set; broken, the causal mask is still on."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)[None].chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self.broken)[0]


class FirstMember(nn.Module):
    """Pool a set; broken, by taking its first member, as for a class token."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken

    def forward(self, x: Tensor) -> Tensor:
        return x[0] if self.broken else x.amax(0)


def _set_network(broken: str) -> nn.Module:
    return _cnn(
        nn.Linear(4, 8),
        nn.SiLU(),
        Attention(broken == "mask"),
        nn.LayerNorm(8),
        FirstMember(broken == "token"),
        nn.Linear(8, 3),
    )


class Flat(nn.Module):
    """A dense layer over the flattened set; the twin treats members alike."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.broken = broken
        self.dense = nn.Linear(40 if broken else 4, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.dense(x.flatten()) if self.broken else self.dense(x).sum(0)
        return self.head(torch.tanh(h))


def _picture(seed: int) -> tuple[Tensor]:
    return (torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(seed)),)


def _set(seed: int) -> tuple[Tensor]:
    return (torch.randn(10, 4, generator=torch.Generator().manual_seed(seed)),)


_TURNS = image("C4", outputs="invariant")
_SHIFTS = image("C1", outputs="invariant", translations=True)
_SET = set_(outputs="invariant")

_CASES = [
    ("a plain CNN under quarter turns", lambda b, s: _turned_filters(s, not b), _picture, _TURNS, "0"),
    (
        "stride on an even size in a C4 CNN",
        lambda b, s: C4Network(stride=2 if b else 1),
        _picture,
        _TURNS,
        "middle",
    ),
    ("group axis not rolled in a C4 CNN", lambda b, s: C4Network(forget_roll=b), _picture, _TURNS, "middle"),
    ("padding on one side", lambda b, s: _one_sided(b), _picture, image("C4", outputs=Image()), "1"),
    ("zero padding under translations", lambda b, s: _zero_padding(b), _picture, _SHIFTS, "2"),
    ("max-pooling with stride under translations", lambda b, s: _pooling(b), _picture, _SHIFTS, "2"),
    ("a coordinate channel under translations", lambda b, s: _coordinates(b), _picture, _SHIFTS, "1"),
    ("causal mask left on in a set", lambda b, s: _set_network("mask" if b else ""), _set, _SET, "2"),
    ("first member as the set's summary", lambda b, s: _set_network("token" if b else ""), _set, _SET, "4"),
    ("a dense layer over a flattened set", lambda b, s: Flat(b), _set, _SET, "dense"),
]

TWINS = [
    Twins(
        name,
        lambda broken, seed, make=make: seeded(lambda: make(broken, seed), seed),
        inputs,
        symmetry,
        lambda seed, culprit=culprit: culprit,
        {},
    )
    for name, make, inputs, symmetry, culprit in _CASES
]
