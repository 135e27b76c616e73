"""The checker's templates, filled."""

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader

if TYPE_CHECKING:
    from equishare.check.reports.report_base import Report


def fragment(template: str, report: "Report", **more: Any) -> str:
    """Fill one of the checker's templates."""
    environment = Environment(
        loader=PackageLoader("equishare.check.reports", "templates"), autoescape=True, trim_blocks=True
    )
    return environment.get_template(template).render(report=report, **more)
