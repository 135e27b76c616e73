"""A report as JUnit's XML, which continuous integration shows as tests."""

import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

from equishare.check.reports.verdict import Verdict

if TYPE_CHECKING:
    from equishare.check.reports.report_base import Report


def junit(report: "Report") -> str:
    """Return one test suite, a test case for each row; what does not pass is a failure of type "fail" or "undecided".

    The format is the one of Ant's JUnit task, as Jenkins, GitLab and GitHub's test reporters read it.
    """
    rows = report.rows()
    broken = [row for row in rows if row.verdict is not Verdict.PASS]
    suite = ElementTree.Element(
        "testsuite",
        name=f"equishare check {report.title}",
        tests=str(len(rows)),
        failures=str(len(broken)),
        errors="0",
        time=f"{report.seconds:.3f}",
    )
    for row in rows:
        case = ElementTree.SubElement(suite, "testcase", classname=f"equishare.{report.subject}", name=row.name)
        source = row.source or report.source
        if source is not None:
            case.set("file", source.relative())
            case.set("line", str(source.line))
        if row.verdict is not Verdict.PASS:
            failure = ElementTree.SubElement(case, "failure", type=row.verdict.value, message=row.message)
            failure.text = str(report)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
