"""Depth as time: a residual block used K times with step 1 / K tends to an ordinary differential equation, as 1 / K.

    python examples/neural_ode.py [--quick] [--out FOLDER]

Two rings of points are told apart by x_{k+1} = x_k + f(x_k) / K, one block f for all K steps. torchdiffeq integrates dx/dt = f(x)
(Chen et al. 2018). The error of the net is e(1) / K with de/dt = f'(x) e - f'(x) f(x) / 2 (Euler's method), integrated too: the
prediction has no free number. Blocks of their own at each step have no such limit.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torchdiffeq import odeint, odeint_adjoint

TIMES = torch.tensor([0.0, 1.0], dtype=torch.float64)


class Flow(torch.nn.Module):
    """dx/dt = f(x) in three dimensions."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.Tanh(), torch.nn.Linear(32, 3)).double()

    def forward(self, t, x):
        """The velocity; it does not depend on time."""
        return self.net(x)


def rings(count, rng):
    """Points on two noisy rings of radius 1 and 2, with a third coordinate 0, and which ring."""
    label = torch.arange(count) % 2
    angle = 2 * torch.pi * torch.rand(count, generator=rng, dtype=torch.float64)
    radius = 1.0 + label + 0.15 * torch.randn(count, generator=rng, dtype=torch.float64)
    return torch.stack([radius * angle.cos(), radius * angle.sin(), torch.zeros_like(angle)], dim=1), label


def residual(blocks, x):
    """The states of a residual net with these blocks."""
    states = [x]
    for block in blocks:
        states.append(states[-1] + block(0.0, states[-1]) / len(blocks))
    return states


def solve(flow, x):
    return odeint(flow, x, TIMES, rtol=1e-10, atol=1e-12)[-1]


def first_error(flow, x):
    """The limit of K (x_K - x(1)), from the state and its error integrated together."""

    def right(t, pair):
        state, error = pair
        value = flow(t, state)
        return value, torch.func.jvp(lambda s: flow(t, s), (state,), (error - value / 2,))[1]

    return odeint(right, (x, torch.zeros_like(x)), TIMES, rtol=1e-9, atol=1e-11)[1][-1]


def train(blocks, head, x, label, epochs):
    parameters = {p for block in blocks for p in block.parameters()} | set(head.parameters())
    optimizer = torch.optim.Adam(list(parameters), lr=1e-2)
    for _ in range(epochs):
        last = residual(blocks, x)[-1]
        loss = torch.nn.functional.cross_entropy(head(last), label) + 0.05 * (last - x).square().mean()  # short ways
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return sum(p.numel() for p in parameters)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs and depths")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    epochs, depths = (60, (4, 8, 16, 32)) if arguments.quick else (150, (2, 4, 8, 16, 32, 64, 128, 256))

    rng = torch.Generator().manual_seed(0)
    (x, label), (x_test, label_test) = rings(200, rng), rings(200, rng)
    torch.manual_seed(0)
    flow, head = Flow(), torch.nn.Linear(3, 2).double()
    tied = train([flow] * 8, head, x, label, epochs)
    torch.manual_seed(0)
    untied_blocks, untied_head = [Flow() for _ in range(8)], torch.nn.Linear(3, 2).double()
    untied = train(untied_blocks, untied_head, x, label, epochs)

    with torch.no_grad():
        exact = solve(flow, x_test)
        right = lambda states, by: 100 * (by(states).argmax(1) == label_test).double().mean().item()  # noqa: E731
        print(
            f"trained 8 deep: one block {tied} weights, {right(residual([flow] * 8, x_test)[-1], head):.1f} % right;",
            end=" ",
        )
        print(f"a block a step {untied} weights, {right(residual(untied_blocks, x_test)[-1], untied_head):.1f} %")
        print(f"one block as an ODE: {right(exact, head):.1f} % right")
        errors = [(residual([flow] * k, x_test)[-1] - exact).square().mean().sqrt().item() for k in depths]
        predicted = first_error(flow, x_test).square().mean().sqrt().item()

    def gradient(state):
        size = state.square().mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(size, list(flow.parameters()))])

    adjoint = gradient(odeint_adjoint(flow, x_test, TIMES, rtol=1e-10, atol=1e-12)[-1])
    slopes = [((gradient(residual([flow] * k, x_test)[-1]) - adjoint).norm() / adjoint.norm()).item() for k in depths]
    print(
        f"\n{'steps K':>8s} {'error':>10s} {'K x error':>10s}   relative error of the gradient of |x(1)|^2 (adjoint equation)"
    )
    for k, error, slope in zip(depths, errors, slopes, strict=True):
        print(f"{k:8d} {error:10.2e} {k * error:10.4f}   {slope:.2e}")
    print(f"K x error as K grows, predicted: {predicted:.4f}")
    order = [torch.log2(torch.tensor(e[-2] / e[-1])).item() for e in (errors, slopes)]
    print(f"order of convergence from the last two depths: state {order[0]:.3f}, gradient {order[1]:.3f} (1 expected)")

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    with torch.no_grad():
        path = odeint(flow, x_test[:60], torch.linspace(0, 1, 40, dtype=torch.float64))
        deep = torch.stack(residual([flow] * 8, x_test[:60]))
    for i in range(60):
        axes[0].plot(*path[:, i, :2].T, color=f"C{int(label_test[i])}", lw=0.8, alpha=0.7)
        axes[0].plot(*deep[:, i, :2].T, ".", color=f"C{int(label_test[i])}", ms=2)
    axes[0].set(title="ODE (lines), 8 steps (dots)", xlabel="z_1", ylabel="z_2", aspect="equal")
    for ax, values, title in (
        (axes[1], errors, "error of the state"),
        (axes[2], slopes, "relative error of the gradient"),
    ):
        ax.loglog(depths, values, "o", label="residual net, tied")
        ax.set(xlabel="steps K", ylabel=title)
    axes[1].loglog(depths, [predicted / k for k in depths], color="0.5", lw=1, label="predicted, no free number")
    axes[2].loglog(depths, [slopes[-1] * depths[-1] / k for k in depths], color="0.5", lw=1, label="1 / K")
    for ax in axes[1:]:
        ax.legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "neural_ode.png", dpi=72)
    print(f"saved {arguments.out / 'neural_ode.png'}")


if __name__ == "__main__":
    main()
