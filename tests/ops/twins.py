"""How the compiled loops of an operation are compared with its formula in plain torch."""

import torch

from equishare.nn import backend


def drawing(dtype, seed):
    """What draws leaves of the graph, the same numbers in every precision; and its generator."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    return normal, generator


def derivatives_of(function, inputs, name):
    """Value, first derivatives and second derivatives (of a nonlinear function of the first), by a backend."""
    with backend(name):
        out = function()
        cosine = torch.cos(torch.arange(out.numel(), dtype=out.dtype)).view_as(out)
        first = torch.autograd.grad((out * cosine).sum() + (out**2).sum() / 2, inputs, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), inputs)
    return [out.detach(), *(g.detach() for g in first), *second]


def assert_equal(ours, twin, tolerance=1e-12):
    for a, b in zip(ours, twin, strict=True):
        assert a.dtype == b.dtype
        assert (a - b).norm() <= tolerance * (1 + b.norm())


def assert_as_close_as_the_twin(ours, twin, exact):
    """Distance to float64 of the compiled loops and of plain torch: of one size."""
    for a, b, c in zip(ours, twin, exact, strict=True):
        assert a.dtype == torch.float32
        assert (a.double() - c).norm() <= 5 * ((b.double() - c).norm() + 1e-7 * c.norm())
