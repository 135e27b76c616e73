"""One sample, several experiments: fits that share a parameter, and by how much its error shrinks.

    python examples/global_fit.py [--quick] [--out FOLDER]

Two decays with one lifetime over one background; an enzyme at four levels of a competitive inhibitor (V_max and K_m shared, the inhibition of each level its
own); two diffraction patterns of one cubic lattice, each machine with an offset and a scale of its own. The standard error of a
least-squares fit is that of the Fisher information J^T J / sigma^2; sharing adds the experiments' information, and may make
identifiable what no experiment alone can tell (K_m). Each error is measured on simulated repetitions.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import least_squares

from equishare.sharing import ParameterMap


def decays(table):
    t = np.linspace(0, 8, 50)
    return [(t, amplitude * np.exp(-t / lifetime) + background) for amplitude, lifetime, background in table]


def enzyme(table):
    s = np.geomspace(0.3, 30, 14)
    levels = (0.0, 1.0, 2.0, 5.0)  # of the inhibitor
    return [(s, v * s / (k * (1 + i * binding) + s)) for i, (v, k, binding) in zip(levels, table, strict=True)]


def diffraction(table):
    orders = np.sqrt([3, 4, 8, 11, 12, 16])  # sqrt(h^2 + k^2 + l^2) of a face-centred cubic crystal
    heights = np.array([1.0, 0.5, 0.3, 0.35, 0.1, 0.06])
    patterns = []
    for (wavelength, grid), (a, offset, scale) in zip(((1.5406, (36, 105)), (0.7107, (15, 43))), table, strict=True):
        angle = np.linspace(*grid, 700)
        centre = 2 * np.degrees(np.arcsin(wavelength * orders / (2 * a))) + offset
        patterns.append((angle, scale * (heights * np.exp(-0.5 * ((angle[:, None] - centre) / 0.4) ** 2)).sum(1)))
    return patterns


PROBLEMS = [
    (
        "decays",
        decays,
        ["amplitude", "lifetime", "background"],
        ["lifetime", "background"],
        [[1.0, 2.5, 0.2], [0.6, 2.5, 0.2]],
        0.05,
    ),
    (
        "enzyme",
        enzyme,
        ["V_max", "K_m", "binding"],
        ["V_max", "K_m"],
        [[1.0, 2.0, b] for b in (1.0, 1.0, 0.9, 1.1)],
        0.02,
    ),
    (
        "diffraction",
        diffraction,
        ["lattice", "offset", "scale"],
        ["lattice"],
        [[3.615, 0.08, 1.0], [3.615, -0.05, 0.7]],
        0.03,
    ),
]


def residuals(model, sharing, data):
    return lambda free: np.concatenate([y - d for (_, y), d in zip(model(sharing.expand(free)), data, strict=True)])


def standard_errors(model, sharing, truth, sigma):
    """By the Fisher information, for each free value; infinite in directions that the data say nothing about."""
    data = [y for _, y in model(truth)]
    unshared = ParameterMap(sharing.names, sharing.experiments)
    fun = residuals(model, unshared, data)
    full, start = [], unshared.project(truth)
    for e in 1e-6 * np.eye(len(start)):
        full.append((fun(start + e) - fun(start - e)) / 2e-6)
    jacobian = sharing.reduce(np.array(full).T.reshape(-1, *sharing.pattern.shape)) / sigma  # the sum over uses
    values, vectors = np.linalg.eigh(jacobian.T @ jacobian)
    blind = values < 1e-9 * values[-1]
    variance = (vectors[:, ~blind] ** 2 / values[~blind]).sum(1)
    variance[(vectors[:, blind] ** 2).sum(1) > 1e-6] = np.inf
    return dict(zip(sharing.free_names, variance**0.5, strict=True))


def measured_errors(model, sharing, truth, sigma, repeats, rng):
    """Standard deviation of the fitted free values over simulated repetitions."""
    clean, fits = [y for _, y in model(truth)], []
    for _ in range(repeats):
        data = [y + sigma * rng.normal(size=y.shape) for y in clean]
        fits.append(least_squares(residuals(model, sharing, data), sharing.project(truth), method="lm").x)
    return dict(zip(sharing.free_names, np.std(fits, axis=0), strict=True)), data


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    repeats = 10 if arguments.quick else 200
    rng = np.random.default_rng(0)
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.5), layout="constrained")
    print(f"standard errors, predicted by the Fisher information and measured on {repeats} repetitions")
    print(f"{'':14s}{'parameter':16s} predicted   measured")
    points = []
    for ax, (name, model, names, shared, truth, sigma) in zip(axes, PROBLEMS, strict=False):
        truth = np.array(truth)
        pooled, alone = ParameterMap(names, len(truth), shared=shared), ParameterMap(names, len(truth))
        expected, own = standard_errors(model, pooled, truth, sigma), standard_errors(model, alone, truth, sigma)
        found, data = measured_errors(model, pooled, truth, sigma, repeats, rng)
        identified = {k: v for k, v in own.items() if np.isfinite(v)}
        single = measured_errors(model, alone, truth, sigma, repeats, rng)[0]
        for parameter in shared:
            for key in (f"{parameter}_{e}" for e in range(len(truth))):
                text = f"{own[key]:9.5f} {single[key]:10.5f}" if key in identified else "not identifiable"
                print(f"{name:14s}{key:16s} {text}")
                points += [(own[key], single[key], "C1")] if key in identified else []
            print(f"{name:14s}{parameter + ', shared':16s} {expected[parameter]:9.5f} {found[parameter]:10.5f}")
            points.append((expected[parameter], found[parameter], "C0"))
        fit = least_squares(residuals(model, pooled, data), pooled.project(truth), method="lm").x
        for (x, y), d in zip(model(pooled.expand(fit)), data, strict=True):
            (line,) = ax.plot(x, y, lw=1)
            ax.plot(x, d, ".", ms=2, color=line.get_color())
        ax.set(title=f"{name}: {', '.join(shared)} shared")
    axes[0].set(xlabel="time", ylabel="signal")
    axes[1].set(xlabel="substrate", ylabel="rate", xscale="log")
    axes[2].set(xlabel="2 theta, degrees", ylabel="intensity")
    for x, y, colour in points:
        axes[3].loglog(x, y, "o", color=colour, mfc="none")
    ends = [min(p[0] for p in points), max(p[0] for p in points)]
    axes[3].plot(ends, ends, color="0.6", lw=1)
    axes[3].set(xlabel="predicted", ylabel="measured", title="standard error: shared (blue), alone")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "global_fit.png", dpi=64)
    print(f"saved {arguments.out / 'global_fit.png'}")


if __name__ == "__main__":
    main()
