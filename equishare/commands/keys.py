"""``--key NAME=COLUMN``: the names of properties in files."""

import re
from collections.abc import Sequence

import typer

_OF_OTHERS = re.compile(r"--([a-z]+)[-_](?:key|name|column)(?:=(.*))?")


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


def advice_on_key(arguments: Sequence[str]) -> str | None:
    """What to write in place of an option such as ``--energy-key REF_energy``, which other programs have; None where there is none.

    >>> advice_on_key(["train", "my.xyz", "--energy-key", "REF_energy"])
    'No such option: --energy-key. The names of properties in the files are given by --key: --key energy=REF_energy'
    """
    for number, argument in enumerate(arguments):
        found = _OF_OTHERS.fullmatch(argument)
        if found is None:
            continue
        from equishare.atoms.properties import PROPERTIES

        name, value = found.groups()
        if name not in PROPERTIES:
            continue
        following = next((word for word in arguments[number + 1 :] if not word.startswith("-")), None)
        column = value or following or "COLUMN"
        option = argument.partition("=")[0]
        return (
            f"No such option: {option}. The names of properties in the files are given by --key: --key {name}={column}"
        )
    return None
