import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, least_squares

from equishare.sharing import ParameterMap, SharingError


@given(st.integers(1, 4), st.sets(st.sampled_from("abcd")))
@settings(max_examples=25)
def test_free_values_and_tables(experiments, shared):
    names = "abcd"
    table = ParameterMap(names, experiments, shared=sorted(shared))
    assert len(table.free_names) == len(shared) + experiments * (4 - len(shared))
    free = np.arange(len(table.free_names), dtype=float)
    expanded = table.expand(free)
    np.testing.assert_allclose(table.project(expanded), free)
    for column, name in enumerate(names):
        assert len(set(expanded[:, column])) == (1 if name in shared else experiments)


def test_reduce_is_the_chain_rule():
    table = ParameterMap(["x", "y", "z"], 3, shared=["y"])
    rng = np.random.default_rng(0)
    free, weights = rng.normal(size=len(table.free_names)), rng.normal(size=(3, 3))

    def function(values):
        return float(np.sum(np.sin(table.expand(values)) * weights))

    expected = approx_fprime(free, function, 1e-7)
    np.testing.assert_allclose(table.reduce(np.cos(table.expand(free)) * weights), expected, atol=1e-6)


def test_shared_fit_pools_the_information():
    t, rng = np.linspace(0, 5, 60), np.random.default_rng(1)
    pooled, alone = ParameterMap(["a", "k"], 2, shared=["k"]), ParameterMap(["a", "k"], 2)
    truth = np.array([[1.0, 0.7], [2.0, 0.7]])
    data = truth[:, :1] * np.exp(-truth[:, 1:] * t) + 0.02 * rng.normal(size=(2, len(t)))

    def information(table):
        fit = least_squares(
            lambda w: ((table.expand(w)[:, :1] * np.exp(-table.expand(w)[:, 1:] * t)) - data).ravel(),
            table.project(truth),
        )
        return fit, np.linalg.inv(fit.jac.T @ fit.jac)

    fit, covariance = information(pooled)
    _, covariance_alone = information(alone)
    k = pooled.free_names.index("k")
    own = [covariance_alone[alone.free_names.index(f"k_{e}")] for e in range(2)]
    own = [row[alone.free_names.index(f"k_{e}")] for e, row in enumerate(own)]
    # amplitudes are free in both, so the profiled informations about k add up
    assert 1 / covariance[k, k] == pytest.approx(sum(1 / v for v in own), rel=0.05)
    assert abs(fit.x[k] - 0.7) < 5 * 0.02 * covariance[k, k] ** 0.5


def test_free_names_suit_lmfit():
    lmfit = pytest.importorskip("lmfit")
    t, truth = np.linspace(0, 5, 60), np.array([[1.0, 0.7], [2.0, 0.7]])
    table = ParameterMap(["a", "k"], 2, shared=["k"])
    data = truth[:, :1] * np.exp(-truth[:, 1:] * t)
    start = lmfit.create_params(**dict(zip(table.free_names, table.project(truth * 1.3), strict=True)))

    def residuals(parameters):
        values = table.expand(list(parameters.valuesdict().values()))
        return (values[:, :1] * np.exp(-values[:, 1:] * t) - data).ravel()

    fit = lmfit.minimize(residuals, start)
    np.testing.assert_allclose(table.expand(list(fit.params.valuesdict().values())), truth, rtol=1e-6)


@pytest.mark.parametrize(
    "arguments", [(["a"], 1, ["b"]), (["a", "a"], 1, []), (["a"], 0, [])], ids=["unknown", "twice", "no experiment"]
)
def test_errors_of_names(arguments):
    names, experiments, shared = arguments
    with pytest.raises(SharingError, match="expected"):
        ParameterMap(names, experiments, shared=shared)


def test_errors_of_shapes():
    table = ParameterMap(["a", "b"], 3, shared=["a"])
    for call, wrong in (
        (table.expand, np.zeros(3)),
        (table.project, np.zeros((2, 2))),
        (table.reduce, np.zeros((5, 2))),
    ):
        with pytest.raises(SharingError, match="expected"):
            call(wrong)


def test_numbered_names_may_not_meet_others():
    with pytest.raises(SharingError, match="rename"):
        ParameterMap(["k", "k_0"], 1, shared=["k_0"])
    assert ParameterMap(["k", "k_0"], 2, shared=["k"]).free_names == ("k", "k_0_0", "k_0_1")
