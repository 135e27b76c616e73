"""A report as SARIF, which GitHub shows at the lines of a pull request."""

import json
from typing import TYPE_CHECKING, Any

from equishare.check.reports.verdict import Verdict

if TYPE_CHECKING:
    from equishare.check.reports.report_base import Report, Row

LEVELS = {Verdict.FAIL: "error", Verdict.UNDECIDED: "warning"}


def sarif(report: "Report") -> str:
    """Return a SARIF 2.1.0 log with a result for each row that does not pass, at the code that breaks it.

    Format: OASIS, Static Analysis Results Interchange Format 2.1.0, 2020.
    """
    from equishare import __version__

    broken = [row for row in report.rows() if row.verdict is not Verdict.PASS]
    driver = {
        "name": "equishare check",
        "version": __version__,
        "rules": [{"id": rule, "name": rule} for rule in dict.fromkeys(row.rule for row in broken)],
    }
    run = {"tool": {"driver": driver}, "results": [_result(report, row) for row in broken]}
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2) + "\n"


def _result(report: "Report", row: "Row") -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": row.rule,
        "level": LEVELS[row.verdict],
        "message": {"text": f"{report.title}: {row.name}: {row.message}"},
    }
    source = row.source or report.source
    if source is not None:
        location = {"artifactLocation": {"uri": source.relative()}, "region": {"startLine": source.line}}
        result["locations"] = [{"physicalLocation": location}]
    return result
