"""A periodic heat problem by a physics-informed net: boundaries that are one by construction, or pulled together by a penalty.

    python examples/periodic_pinn.py [--quick] [--out FOLDER]

u_t = nu u_xx on a circle of length 1. Points x and x + 1 are one point: a net of (cos 2 pi x, sin 2 pi x, t) has the same weights, and so
the same value and all derivatives, at both ends (hard sharing; Dong & Ni 2021). The same net on an arc of 4/5 of a circle, whose ends
differ, is asked for it by the penalty mu (|u(0) - u(1)|^2 + |u_x(0) - u_x(1)|^2) (soft sharing). A third way shares a small net of the
boundary: it gives value and slope at each time, and both ends of the arc are made to match it by cubic Hermite polynomials. Same equation,
same points, same number of steps (Raissi et al. 2019).
"""

import argparse
import math
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import torch

NU, DURATION = 0.02, 1.0
WAVES = ((1, 1.0, 0.3), (2, 0.5, 1.0), (3, 0.3, 2.0))  # wave number, amplitude, phase


def exact(x, t):
    """The solution: each wave decays by exp(-nu (2 pi k)^2 t)."""
    return sum(
        a * torch.exp(-NU * (2 * math.pi * k) ** 2 * t) * torch.sin(2 * math.pi * k * x + p) for k, a, p in WAVES
    )


class Net(torch.nn.Module):
    """u(x, t) of a point on a circle, or on an open arc of the same radius."""

    def __init__(self, circle, width=32):
        super().__init__()
        self.turn = 2 * math.pi if circle else 1.6 * math.pi
        sizes = [3, width, width, width]
        hidden = [part for a, b in pairwise(sizes) for part in (torch.nn.Linear(a, b), torch.nn.Tanh())]
        self.net = torch.nn.Sequential(*hidden, torch.nn.Linear(width, 1))

    def forward(self, x, t):
        """Values [points, 1] at x [points, 1] and t [points, 1]."""
        return self.net(torch.cat([torch.cos(self.turn * x), torch.sin(self.turn * x), 2 * t - 1], dim=1))


def derivative(y, x):
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def mismatch(net, t):
    """Values and slopes at x = 1 less those at x = 0."""
    zero = torch.zeros_like(t).requires_grad_()
    one = torch.ones_like(t).requires_grad_()
    left, right = net(zero, t), net(one, t)
    return right - left, derivative(right, one) - derivative(left, zero)


class SharedBoundary(Net):
    """The arc's net, moved so that value and slope at both ends are those of one small net of the time."""

    def __init__(self):
        super().__init__(circle=False)
        self.boundary = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))

    def forward(self, x, t):
        """The net's value plus Hermite polynomials times what it lacks of the boundary's value and slope at either end."""
        with torch.enable_grad():
            ends = [torch.full_like(t, place).requires_grad_() for place in (0.0, 1.0)]
            values = [super(SharedBoundary, self).forward(end, t) for end in ends]
            slopes = [derivative(value, end) for value, end in zip(values, ends, strict=True)]
            value, slope = self.boundary(2 * t - 1).split(1, dim=1)
            y = 1 - x
            correction = (
                y * y * (1 + 2 * x) * (value - values[0]) + x * x * (1 + 2 * y) * (value - values[1])
                + x * y * y * (slope - slopes[0]) - x * x * y * (slope - slopes[1])
            )  # fmt: skip
            return super().forward(x, t) + correction


def train(net, penalty, steps, rng):
    """Adam on equation, start and (for the penalised net) boundary."""
    x0 = torch.linspace(0, 1, 65)[:-1, None]
    start = exact(x0, torch.zeros_like(x0))
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=5e-5)
    for _ in range(steps):
        x = torch.rand(256, 1, generator=rng).requires_grad_()
        t = (DURATION * torch.rand(256, 1, generator=rng)).requires_grad_()
        u = net(x, t)
        equation = (derivative(u, t) - NU * derivative(derivative(u, x), x)).square().mean()
        beginning = (net(x0, torch.zeros_like(x0)) - start).square().mean()
        loss = equation + 10 * beginning
        if penalty:
            value, slope = mismatch(net, DURATION * torch.rand(32, 1, generator=rng))
            loss = loss + penalty * (value.square().mean() + slope.square().mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps and penalties")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    steps, penalties = (40, (1.0,)) if arguments.quick else (1000, (0.01, 0.1, 1.0, 10.0))
    grid_x, grid_t = torch.meshgrid(torch.linspace(0, 1, 101), torch.linspace(0, DURATION, 51), indexing="xy")
    x, t = grid_x.reshape(-1, 1), grid_t.reshape(-1, 1)
    truth = exact(x, t)
    print("periodicity            error of u, relative      jump of u      jump of u_x   (largest)")
    errors = {}
    hard = [("shared by construction", 0.0), ("shared boundary net", 0.0)]
    for name, penalty in [*hard, *((f"penalty mu = {mu:g}", mu) for mu in penalties), ("none", 0.0)]:
        torch.manual_seed(0)
        net = SharedBoundary() if "net" in name else Net(circle=name.startswith("shared"))
        train(net, penalty, steps, torch.Generator().manual_seed(0))
        with torch.no_grad():
            difference = (net(x, t) - truth).reshape(grid_x.shape)
        relative = (difference.norm() / truth.norm()).item()
        value, slope = (jump.abs().max().item() for jump in mismatch(net, torch.linspace(0, DURATION, 51)[:, None]))
        errors[name] = difference, relative, value, slope
        print(f"{name:22s} {100 * relative:20.3f} % {value:14.1e} {slope:16.1e}")

    figure, axes = plt.subplots(1, 4, figsize=(15, 3.4), layout="constrained")
    extent = (0, 1, 0, DURATION)
    axes[0].imshow(truth.reshape(grid_x.shape), origin="lower", extent=extent, aspect="auto", cmap="RdBu")
    axes[0].set(title="solution", xlabel="x", ylabel="t")
    best = min((k for k in errors if k.startswith("penalty")), key=lambda k: errors[k][1])
    scale = errors[best][0].abs().max().item()
    for ax, name in ((axes[1], "shared by construction"), (axes[2], best)):
        look = {"origin": "lower", "extent": extent, "aspect": "auto", "cmap": "RdBu"}
        picture = ax.imshow(errors[name][0], vmin=-scale, vmax=scale, **look)
        ax.set(title=f"error: {name}", xlabel="x")
    figure.colorbar(picture, ax=axes[2])
    for row, mark, what in ((1, "o-", "relative error"), (3, "s--", "jump of u_x")):
        axes[3].loglog(
            penalties, [errors[f"penalty mu = {m:g}"][row] for m in penalties], mark, label=f"penalised: {what}"
        )
    axes[3].axhline(errors["shared by construction"][1], color="C0", lw=1, ls=":", label="shared: relative error")
    axes[3].axhline(errors["shared boundary net"][1], color="C2", lw=1, ls=":", label="boundary net: relative error")
    axes[3].set(xlabel="mu", ylabel="error, jump", title="soft against hard periodicity")
    axes[3].legend(frameon=False, fontsize=8)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "periodic_pinn.png", dpi=64)
    print(f"saved {arguments.out / 'periodic_pinn.png'}")


if __name__ == "__main__":
    main()
