"""``--key NAME=COLUMN``: the names of properties in files."""

from collections.abc import Sequence

import typer


def parse_keys(given: Sequence[str] | None) -> dict[str, str]:
    """Names in files by the property's name.

    Raises:
        typer.BadParameter: one is not of the form NAME=COLUMN, or the name is not in the table of properties.

    >>> parse_keys(["energy=REF_energy"])
    {'energy': 'REF_energy'}
    """
    from equishare.atoms.properties import PROPERTIES

    keys = {}
    for text in given or ():
        name, equals, column = text.partition("=")
        if not (equals and column and name in PROPERTIES):
            raise typer.BadParameter(
                f"expected --key NAME=COLUMN with a name of {', '.join(PROPERTIES)}, such as energy=REF_energy; got {text!r}"
            )
        keys[name] = column
    return keys
