"""Options that several commands take."""

from typing import Annotated

import typer

Method = Annotated[
    str | None,
    typer.Option(
        help="Level of this method, of a model that was trained on several.", show_default="what the file says"
    ),
]
Dispersion = Annotated[
    str | None,
    typer.Option(help="Add D3(BJ) dispersion of a functional, such as pbe, where the training data lack it."),
]
