"""A check that runs beside a training: every few epochs, within a small share of its time."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

from equishare.check.errors import CheckError
from equishare.check.models.arguments import style_of
from equishare.check.models.equivariance import equivariance
from equishare.check.models.precision import isolated_rng
from equishare.check.models.symmetry.symmetry import Symmetry
from equishare.check.reports.symmetry_report import EquivarianceReport
from equishare.check.reports.verdict import Verdict
from equishare.clock import Clock

PASSES = 80
"""A check takes about so many evaluations of the model, before one has been timed."""


class SymmetryLost(CheckError):  # noqa: N818 - what happened, as KeyboardInterrupt says it
    """A model under training broke its symmetry; `report` says where."""

    def __init__(self, report: EquivarianceReport) -> None:
        super().__init__(said_of(report))
        self.report = report


class SymmetryWarning(UserWarning):
    """A model under training broke its symmetry, or may have."""


def said_of(report: EquivarianceReport) -> str:
    """Say in a line what a check found, with the module's name.

    Example: "Model is not equivariant under molecule: relative error 2.1e-02; breaks at layers.1 (Linear)".
    """
    worst = report.worst
    what = "is not equivariant" if report.verdict is Verdict.FAIL else "may not be equivariant"
    where = f"; breaks at {report.breaks.path} ({report.breaks.kind}): {report.breaks.reason}" if report.breaks else ""
    note = f" ({worst.note})" if worst.note else ""
    return (
        f"{report.model} {what} under {report.symmetry}: {worst.factor} of {worst.quantity}, "
        f"relative error {worst.error:.1e}, noise {worst.noise_floor:.1e}{note}{where}"
    )


class TrainingCheck:
    """Call it after every epoch: it checks the model now and then, and raises or warns where its symmetry is lost.

    The model is checked in evaluation mode, on one input, without gradients; afterwards it is as it was. A check that would
    take more than its share of the time since the start waits for a later epoch.

    Args:
        model: what is trained.
        inputs: one valid input, as for `equivariance`.
        claim: the symmetry.
        every: check after so many epochs, at most.
        share: of the training's time that checks may take.
        action: "stop" raises `SymmetryLost`, "warn" warns and goes on.
        **options: of `equivariance`.

    Attributes:
        spent: seconds that checks have taken.
        reports: of all checks so far.

    Example:
        >>> from equishare.check import point_cloud
        >>> layer = nn.Linear(3, 3)
        >>> watch = TrainingCheck(layer, torch.randn(5, 3), point_cloud(outputs="forces"), share=1e9)
        >>> try:
        ...     watch()
        ... except SymmetryLost as lost:
        ...     print(lost.report.culprit)
        Linear
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Any,
        claim: Symmetry,
        *,
        every: int = 1,
        share: float = 0.01,
        action: Literal["stop", "warn"] = "stop",
        **options: Any,
    ) -> None:
        if every < 1 or not share > 0 or action not in ("stop", "warn"):
            raise CheckError(
                f"every should be 1 or more, share positive, action 'stop' or 'warn'; got {every}, {share}, {action!r}"
            )
        self.model, self.inputs, self.claim = model, inputs, claim
        self.every, self.share, self.action = every, share, action
        self.options = {"gradients": False, **options}
        self.epochs, self.spent = 0, 0.0
        self.cost: float | None = None
        self.reports: list[EquivarianceReport] = []
        self.clock = Clock()

    def __call__(self) -> EquivarianceReport | None:
        """Count an epoch, and check if it is time to.

        Raises:
            SymmetryLost: the check failed, and `action` is "stop".
        """
        self.epochs += 1
        if self.epochs % self.every:
            return None
        clock = Clock()
        allowed = self.share * (clock.begun - self.clock.begun) - self.spent
        if self.cost is None:
            self.cost = PASSES * self._one_pass()
        if self.cost > allowed:
            self.spent += clock.seconds
            return None
        with evaluating(self.model):
            report = equivariance(self.model, self.inputs, self.claim, **{"seconds": allowed, **self.options})
        self.cost = clock.seconds
        self.spent += self.cost
        self.reports.append(report)
        if report.verdict is Verdict.FAIL and self.action == "stop":
            raise SymmetryLost(report)
        if report.verdict is not Verdict.PASS:
            warnings.warn(said_of(report), SymmetryWarning, stacklevel=2)
        return report

    def _one_pass(self) -> float:
        style = style_of(self.model, self.inputs)
        clock = Clock()
        with evaluating(self.model), torch.no_grad(), isolated_rng():
            if style == "positional":
                self.model(*self.inputs)
            elif style == "keyword":
                self.model(**self.inputs)
            else:
                self.model(self.inputs)
        return clock.seconds


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and each of its modules back into its own mode afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
