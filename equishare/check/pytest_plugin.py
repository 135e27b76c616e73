"""pytest plugin: the fixture `equivariance` and the marker of the same name.

Loaded by pytest through the entry point `equishare`; torch is imported when a test first uses the fixture.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from equishare.check.reports.symmetry_report import EquivarianceReport


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "equivariance(tolerance=0.0, samples=None, seed=0, ...): options of the fixture of this name, see "
        "equishare.check.models.options",
    )


@pytest.fixture
def equivariance(request: pytest.FixtureRequest) -> "Callable[..., EquivarianceReport]":
    """Assert that a model is equivariant: `equivariance(model, inputs, symmetry)`; returns the report.

    The test fails with the report as its message, culprit included. Options given in the call win over
    those of the marker.
    """
    __tracebackhide__ = True
    marker = request.node.get_closest_marker("equivariance")
    options = dict(marker.kwargs) if marker is not None else {}

    def check(model: Any, inputs: Any, symmetry: Any, **given: Any) -> "EquivarianceReport":
        __tracebackhide__ = True
        from equishare.check.errors import CheckError
        from equishare.check.models.equivariance import equivariance as run

        try:
            report = run(model, inputs, symmetry, **{**options, **given})
        except CheckError as error:
            pytest.fail(f"the check could not run: {error}", pytrace=False)
        if not report.passed:
            pytest.fail(f"not equivariant\n\n{report}", pytrace=False)
        return report

    return check
