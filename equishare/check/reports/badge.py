"""A badge for a project's front page."""

from typing import TYPE_CHECKING

from equishare.check.reports.template import fragment
from equishare.check.reports.verdict import Verdict

if TYPE_CHECKING:
    from equishare.check.reports.report_base import Report

COLOURS = {Verdict.PASS: "#1a7f37", Verdict.FAIL: "#cf222e", Verdict.UNDECIDED: "#9a6700"}
_LETTER = 6.6
"""Width of a letter of 11 px Verdana, about."""


def badge(report: "Report") -> str:
    """Return a small picture (SVG) with the verdict, which needs nothing else."""
    label, message = report.subject, report.verdict.value
    left, right = (round(_LETTER * len(text)) + 12 for text in (label, message))
    return fragment(
        "badge.svg.jinja", report, label=label, message=message, left=left, right=right, colour=COLOURS[report.verdict]
    )
