"""``equishare select``: the frames of a pool that are worth labelling next."""

from pathlib import Path
from typing import Annotated

import typer

from equishare.commands.imports import large_imports


def select(
    model: Annotated[Path, typer.Argument(help="Model file of a potential trained with --committee.")],
    files: Annotated[list[str], typer.Argument(metavar="POOL...", help="Frames to choose from, labelled or not.")],
    out: Annotated[Path, typer.Option(help="Write the chosen frames, as extended XYZ.")],
    count: Annotated[int, typer.Option(min=1, help="How many to choose.")] = 20,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Choose the frames that are worth labelling next: uncertain, and unlike each other.

    They are written in the order of their choice, without labels, but with the model's energy_uncertainty (eV)
    and, for each atom, forces_uncertainty (eV/Å).
    """
    with large_imports():
        from equishare.atoms.reading import read_unlabelled
        from equishare.devices import choose_device
        from equishare.files import check_writable
        from equishare.potential import load
        from equishare.terminal import new_console
        from equishare.training.report.tables import selection_table
        from equishare.training.selection import select as choose
        from equishare.training.selection import write_selection

    check_writable(out)
    potential = load(model, device=choose_device(device))
    pool = read_unlabelled(files)
    chosen = [pool[index] for index in choose(potential, [frame.atoms for frame in pool], count)]
    predictions = potential.predict([frame.atoms for frame in chosen], forces=False, forces_uncertainty=True)
    write_selection(out, chosen, predictions)
    console = new_console()
    console.print(selection_table(chosen, predictions))
    console.print(f"\n{count} of {len(pool)} frames, without labels: {out}", soft_wrap=True)
