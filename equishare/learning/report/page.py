"""The report of a campaign: one HTML file that needs nothing else, and its pictures as PNG."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader

import equishare
from equishare.files import write_text
from equishare.learning.campaign import Campaign, Learnt
from equishare.learning.ledger import read_all
from equishare.learning.report.beside import distances_beside
from equishare.learning.report.pictures import asked_in_round, errors_over_labels
from equishare.learning.report.progress import milli
from equishare.potential import load
from equishare.training.config.durations import format_duration
from equishare.training.report.figures import to_png, to_svg
from equishare.training.report.physics import check, seconds_allowed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(campaign: Campaign, learnt: Learnt) -> Path:
    """Check the potential, and write ``report.html`` and ``plots/*.png`` into the folder of the campaign.

    Raises:
        OSError: if a file cannot be written.
    """
    folder, settings = campaign.folder, campaign.settings
    potential = load(folder.model)
    typical = campaign.ledger.labelled[len(campaign.ledger) // 2]
    physics, seconds = check(potential, typical, seconds_allowed(settings.max_time))
    folder.plots.mkdir(exist_ok=True)
    pictures = {}
    for name, title, figure in _figures(campaign, learnt):
        to_png(figure, folder.plots / f"{name}.png")
        pictures[name] = to_svg(figure, title)
    loaders = [
        PackageLoader(package, "templates") for package in ("equishare.learning.report", "equishare.training.report")
    ]
    environment = Environment(loader=ChoiceLoader(loaders), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["milli"] = milli
    text = environment.get_template("learnt.html.jinja").render(
        **_facts(campaign, learnt),
        pictures=pictures,
        physics=physics,
        milliseconds=1000 * seconds,
        n_atoms=len(typical),
    )
    write_text(folder.report, text)
    return folder.report


def _figures(campaign: Campaign, learnt: Learnt) -> Iterator[tuple[str, str, Figure]]:
    records = learnt.records
    final = learnt.errors.get("forces")
    if (figure := distances_beside(campaign)) is not None:
        yield "distances", "Distances between atoms", figure
    yield "errors", "Errors over labels", errors_over_labels(records, campaign.settings.accuracy, final)
    for record in records:
        if record.spread:
            asked = read_all(campaign.folder.round(record.number).asked)
            yield f"round_{record.number}", f"Round {record.number}", asked_in_round(record, asked)


def _facts(campaign: Campaign, learnt: Learnt) -> dict[str, Any]:
    ledger, settings = campaign.ledger, campaign.settings
    labelled = ledger.labelled
    times = sorted(float(atoms.info["seconds"]) for atoms in labelled)
    apart = read_all(campaign.folder.apart)
    return {
        "title": campaign.folder.path.name,
        "version": equishare.__version__,
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "duration": format_duration(round(campaign.seconds) or 1),
        "formula": campaign.starts[0].get_chemical_formula(),
        "settings": settings,
        "learnt": learnt,
        "n_train": sum(atoms.info["role"] == "train" for atoms in labelled),
        "n_judge": sum(atoms.info["role"] == "valid" for atoms in labelled),
        "label_seconds": times[len(times) // 2],
        "failed": Counter(str(atoms.info["reason"]) for atoms in ledger.failed).most_common(),
        "apart": Counter(str(atoms.info["reason"]).rpartition(":")[0] for atoms in apart).most_common(10),
        "n_apart": len(apart),
    }
