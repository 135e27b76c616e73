"""Do insertions and deletions share one gap penalty? A likelihood-ratio test of pair HMMs, and how well it is calibrated.

    python examples/gap_penalties.py [--quick] [--out FOLDER]

Pairs of DNA sequences are simulated; the gap probabilities (open, extend) and the length are fitted by maximum likelihood with tied
gaps (3 numbers) and with untied ones (5). Where gaps are tied in truth, twice the difference of log-likelihoods follows chi-squared
with 2 degrees of freedom (Wilks 1938). The model: Durbin, Eddy, Krogh & Mitchison, Biological Sequence Analysis (1998), chapter 4.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import optimize, stats

from equishare import sharing
from equishare.gallery import PairHMM

BACKGROUND = torch.full((4,), 0.25, dtype=torch.float64)
MATCH = torch.full((4, 4), 0.15 / 12, dtype=torch.float64).fill_diagonal_(0.85 / 4)


def truth(opening, extension):
    """Pairs of about 8 letters, 85 % of the aligned ones equal."""
    return PairHMM.from_probabilities(MATCH, BACKGROUND, gap_open=opening, gap_extend=extension, end=0.12)


def loss(values, model, pairs):
    """The negative log-likelihood at these gap weights, and its gradient."""
    with torch.no_grad():
        model.gap_weight.copy_(torch.as_tensor(values))
    value = -model(*pairs).sum()
    return value.item(), torch.autograd.grad(value, model.gap_weight)[0].numpy()


def information(pairs, step=1e-3):
    """Fisher information of one pair about the five untied gap weights, by differences of the gradient."""
    model = untied_copy(truth(0.06, 0.5))
    centre = model.gap_weight.detach().numpy().copy()
    rows = [loss(centre + e, model, pairs)[1] - loss(centre - e, model, pairs)[1] for e in step * np.eye(5)]
    return np.array(rows) / (2 * step * len(pairs.x))


def untied_copy(tied):
    """The same probabilities in the larger model: its fit starts where the smaller one ended."""
    model = PairHMM(4, tied_gaps=False, dtype=torch.float64)
    model.load_state_dict({**tied.state_dict(), "gap_weight": tied.gaps.expand(tied.gap_weight.detach())})
    return model


def fit(pairs, model, fisher):
    """The largest log-likelihood, with the model left there; sharing takes the information to B^T I B."""
    uses = model.gaps.as_matrix().numpy()
    curvature = len(pairs.x) * uses.T @ fisher @ uses
    inverse = np.linalg.inv(0.5 * (curvature + curvature.T))
    start = model.gap_weight.detach().numpy().copy()
    options = {"gtol": 1e-2, "hess_inv0": 0.5 * (inverse + inverse.T)}
    result = optimize.minimize(loss, start, (model, pairs), jac=True, method="BFGS", options=options)
    with torch.no_grad():
        model.gap_weight.copy_(torch.as_tensor(result.x))
    return -result.fun


def statistic(pairs, fisher):
    """2 (log L untied - log L tied), and the two fitted models."""
    tied = truth(0.06, 0.5)
    small = fit(pairs, tied, fisher)
    untied = untied_copy(tied)
    return 2 * (fit(pairs, untied, fisher) - small), tied, untied


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer data sets")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    arguments = parser.parse_args(argv)
    count, sets, unequal_sets = (20, 6, 2) if arguments.quick else (100, 100, 15)

    rng = torch.Generator().manual_seed(0)
    equal, unequal = truth(0.06, 0.5), truth((0.09, 0.04), (0.5, 0.5))
    print(
        f"weights of the tied model and of the untied one: {equal.gap_weight.numel()} and {unequal.gap_weight.numel()} for gaps"
    )
    print(sharing.report(equal))
    fisher = information(equal.sample(5 * count, generator=rng))
    null = np.array([statistic(equal.sample(count, generator=rng), fisher)[0] for _ in range(sets)])
    power = np.array([statistic(unequal.sample(count, generator=rng), fisher)[0] for _ in range(unequal_sets)])

    chi2 = stats.chi2(2)
    print(
        f"\n{sets} data sets of {count} pairs whose gaps are tied in truth; twice the gain in log-likelihood, chi-squared with 2 d.o.f.?"
    )
    print(
        f"mean {null.mean():.2f} +- {null.std() / sets**0.5:.2f} (2 expected), Kolmogorov-Smirnov p = {stats.kstest(null, chi2.cdf).pvalue:.2f}"
    )
    print("   level   rejected")
    for level in (0.2, 0.1, 0.05, 0.01):
        rejected = (null > chi2.isf(level)).mean()
        print(f"  {100 * level:5.0f} %  {100 * rejected:5.1f} % +- {100 * (level * (1 - level) / sets) ** 0.5:.1f}")
    found = 100 * (power > chi2.isf(0.05)).mean()
    print(
        f"insertions open with 0.09, deletions with 0.04: rejected at 5 % in {found:.0f} % of {unequal_sets} data sets"
    )

    pairs = unequal.sample(5 * count, generator=rng)
    value, tied, untied = statistic(pairs, fisher)
    print(f"\none data set of {5 * count} such pairs: statistic {value:.1f}, p = {chi2.sf(value):.1e}")
    for name, model in (("truth", unequal), ("untied", untied), ("tied", tied)):
        rows = model.transitions().exp().detach()
        print(
            f"  {name:7s} open {rows[0, 1]:.3f} {rows[0, 2]:.3f}   extend {rows[1, 1]:.3f} {rows[2, 2]:.3f}   end {rows[0, 3]:.4f}"
        )

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    one = int((pairs.x_lengths - pairs.y_lengths).argmax())
    lengths = pairs.x_lengths[one], pairs.y_lengths[one]
    posterior = untied.match_posterior(*(p[one : one + 1] for p in pairs))[0, : lengths[0], : lengths[1]]
    axes[0].imshow(posterior, cmap="Blues", vmin=0, vmax=1)
    axes[0].set(title="posterior of each aligned pair", xlabel="position in y", ylabel="position in x")
    quantiles = chi2.ppf((np.arange(sets) + 0.5) / sets)
    axes[1].plot(quantiles, np.sort(null), ".", color="C0")
    axes[1].plot([0, quantiles[-1]], [0, quantiles[-1]], color="0.6", lw=1)
    axes[1].set(title="tied in truth", xlabel="quantile of chi-squared, 2 d.o.f.", ylabel="2 Δ log-likelihood")
    bins = np.linspace(0, max(20, power.max()), 24)
    axes[2].hist(null, bins, density=True, alpha=0.6, label="tied in truth")
    axes[2].hist(power, bins, density=True, alpha=0.6, label="untied in truth")
    axes[2].plot(grid := np.linspace(0, bins[-1], 200), chi2.pdf(grid), color="k", lw=1, label="chi-squared, 2 d.o.f.")
    axes[2].set(xlabel="2 Δ log-likelihood", ylabel="density")
    axes[2].legend(frameon=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "gap_penalties.png", dpi=80)
    print(f"saved {arguments.out / 'gap_penalties.png'}")


if __name__ == "__main__":
    main()
