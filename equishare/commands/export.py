"""``equishare export``: a model file as a package that C++ loads."""

from pathlib import Path
from typing import Annotated

import typer

from equishare.commands.choices import DtypeName
from equishare.commands.imports import large_imports


def export(
    model: Annotated[Path, typer.Argument(help="Model file.")],
    package: Annotated[Path, typer.Argument(help="Package to write, ending with .pt2.")],
    dtype: Annotated[DtypeName, typer.Option(help="Precision of the network.")] = DtypeName.float32,
) -> None:
    """Compile a potential for C++ by AOTInductor: energy, forces and stress of any structure, without Python.

    Needs a C++ compiler. Prints what goes in and what comes out.
    """
    with large_imports():
        from equishare.devices import choose_dtype
        from equishare.files import check_writable
        from equishare.potential import load
        from equishare.potential.export import ExportedPotential, write_package

    check_writable(package)
    potential = load(model, dtype=choose_dtype(dtype.value))
    write_package(potential, package)
    module = ExportedPotential(potential)
    for name, text in (
        ("Written", str(package)),
        ("Elements", ", ".join(potential.species)),
        ("Cutoff", f"{potential.cutoff:g} Å"),
        ("Inputs", ", ".join(module.inputs)),
        ("Outputs", ", ".join(module.outputs)),
    ):
        typer.echo(f"{name:<10}{text}")
