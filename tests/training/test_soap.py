"""The optimiser."""

from copy import deepcopy

import pytest
import torch

from equishare.training.soap import SOAP


def quadratic(seed: int, batch: int = 2, size: int = 6):
    """Loss |A (W - W*) B|^2 with badly conditioned A and B: curvature is a Kronecker product."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    left, right, target = draw(batch, size, size), draw(batch, size, size), draw(batch, size, size)
    left, right = (torch.linalg.matrix_exp(2 * m / size) for m in (left, right))
    return lambda weight: (left @ (weight - target) @ right).square().sum()


def minimise(optimizer_of, loss_of, steps=300):
    weight = torch.nn.Parameter(torch.zeros(2, 6, 6, dtype=torch.float64))
    optimizer = optimizer_of([weight])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(weight).backward()
        optimizer.step()
        schedule.step()
    return float(loss_of(weight).detach())


def test_beats_adam_where_curvature_is_a_kronecker_product():
    results = [
        (minimise(lambda p: SOAP(p, lr=0.05), loss), minimise(lambda p: torch.optim.Adam(p, lr=0.05), loss))
        for loss in map(quadratic, range(5))
    ]
    assert sum(soap for soap, _ in results) < 0.5 * sum(adam for _, adam in results), results


def test_is_adam_where_there_is_no_matrix():
    values = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    ours, theirs = torch.nn.Parameter(values.clone()), torch.nn.Parameter(values.clone())
    soap = SOAP([ours], lr=0.1, betas=(0.9, 0.95))
    adam = torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.95))
    for step in range(20):
        soap.zero_grad()
        (ours**4).sum().backward()
        soap.step()
        if step:  # the first step of SOAP only learns the basis
            adam.zero_grad()
            (theirs**4).sum().backward()
            adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


def run_in_rotated_axes(optimizer_of, rotation, steps=5):
    """The weight after a few steps, optimised as it is and as W = V rotation^T through V."""
    loss = quadratic(1)
    plain = torch.nn.Parameter(torch.zeros(2, 6, 6, dtype=torch.float64))
    turned = torch.nn.Parameter(torch.zeros(2, 6, 6, dtype=torch.float64))
    first, second = optimizer_of([plain]), optimizer_of([turned])
    for _ in range(steps):
        first.zero_grad()
        loss(plain).backward()
        first.step()
        second.zero_grad()
        loss(turned @ rotation.T).backward()
        second.step()
    return plain.detach(), (turned @ rotation.T).detach()


def test_does_not_depend_on_the_axes():
    generator = torch.Generator().manual_seed(3)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0]
    plain, turned = run_in_rotated_axes(lambda p: SOAP(p, lr=0.05), rotation)
    torch.testing.assert_close(turned, plain, rtol=0, atol=1e-4)
    plain, turned = run_in_rotated_axes(lambda p: torch.optim.Adam(p, lr=0.05), rotation)
    assert (turned - plain).abs().max() > 0.05  # Adam does depend on them


def test_state_continues():
    loss = quadratic(0)
    weight = torch.nn.Parameter(torch.zeros(2, 6, 6, dtype=torch.float64))
    optimizer = SOAP([weight])

    def advance(parameter, its_optimizer, steps):
        for _ in range(steps):
            its_optimizer.zero_grad()
            loss(parameter).backward()
            its_optimizer.step()

    advance(weight, optimizer, 15)
    copy = torch.nn.Parameter(weight.detach().clone())
    other = SOAP([copy])
    other.load_state_dict(deepcopy(optimizer.state_dict()))
    advance(weight, optimizer, 15)
    advance(copy, other, 15)
    assert torch.equal(weight, copy)


def test_parameters_of_one_shape_are_updated_as_if_alone():
    """Matrices, batches of them, vectors and a number, together and in an optimiser each; a gradient may be missing."""
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 6, 6), (6, 6), (6,), (1, 6), (3, 6, 4), (6, 4), ()
    start = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    targets = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    together, alone = ([torch.nn.Parameter(value.clone()) for value in start] for _ in range(2))
    unused = torch.nn.Parameter(torch.ones(6, 6, dtype=torch.float64))
    optimizers = [SOAP([unused, *together])], [SOAP([weight]) for weight in alone]
    for weights, each in zip((together, alone), optimizers, strict=True):
        for _ in range(25):
            for optimizer in each:
                optimizer.zero_grad()
            sum((w - t).pow(4).sum() for w, t in zip(weights, targets, strict=True)).backward()
            for optimizer in each:
                optimizer.step()
    for value, found, expected in zip(start, together, alone, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert (found - value).abs().max() > 0.05
    assert torch.equal(unused, torch.ones_like(unused))


@pytest.mark.parametrize("arguments", [{"lr": 0.0}, {"betas": (1.0, 0.9)}])
def test_refuses_arguments_out_of_range(arguments):
    with pytest.raises(ValueError, match="expected lr > 0"):
        SOAP([torch.nn.Parameter(torch.zeros(2))], **arguments)
