"""``equishare card``: what a model file is, was trained on and is good for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from equishare.commands.imports import large_imports


def card(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole header as JSON.")] = False,
) -> None:
    """Say what a model file is: elements, shape, errors, and the range of its training data. Nothing in it is run."""
    with large_imports():
        from equishare.narrow import print_pairs
        from equishare.potential import read_header
        from equishare.terminal import new_console

    header = read_header(model)
    if as_json:
        typer.echo(header.model_dump_json(indent=2))
        return
    print_pairs(new_console(), _lines(header))


def _lines(header: Any) -> list[tuple[str, str]]:
    from equishare.training.config.durations import format_duration

    config, found, about = header.config, header.statistics, header.metadata
    lines = [
        ("Written by", f"equishare {header.version}, format {header.format}"),
        ("Elements", ", ".join(found.species)),
        ("E0 in eV", ", ".join(f"{symbol} {energy:.3f}" for symbol, energy in found.reference_energies.items())),
        (
            "Network",
            f"{config.layers} layers, {config.channels} channels, cutoff {config.cutoff:g} Å, "
            f"receptive field {config.layers * config.cutoff:g} Å",
        ),
    ]
    optional = {
        "Also reads": ", ".join(config.heads),
        "Takes": ", ".join(config.conditions),
        "Methods": ", ".join(config.methods),
        "Repulsion": config.repulsion,
        "Long range": config.long_range,
        "Adds to": config.base and "GFN2-xTB (tblite)",
        "Committee": header.committee and f"{header.committee.members} members",
        "Labels by": about.get("method"),
        "Trained on": ", ".join(about.get("files", [])),
        "Before that": about.get("started_from") or about.get("pretraining"),
        "Licence": about.get("licence"),
        "Training": about.get("steps") and f"{about['steps']:,} steps in {format_duration(about.get('seconds', 0))}",
    }
    lines += [(name, str(text)) for name, text in optional.items() if text]
    for part, errors in about.get("errors", {}).items():
        shown = [f"{name} {value:.4g}" for name, value in errors.items() if "rmse" in name and value is not None]
        lines.append((f"RMSE, {part}", "; ".join(shown)))
    closest = about.get("domain", {}).get("min_distance", {})
    if closest:
        lines.append(("Closest, Å", ", ".join(f"{pair} {distance:.2f}" for pair, distance in closest.items())))
    return lines
