"""What can go wrong with a potential."""

from collections.abc import Iterable

from equishare.errors import EquishareError


class UnknownSpeciesError(EquishareError):
    """A structure holds an element that the potential was not trained on."""

    @classmethod
    def of(cls, known: Iterable[str], found: Iterable[str]) -> "UnknownSpeciesError":
        """Of the symbols that a potential knows, and those that it does not."""
        return cls(
            f"the potential knows {', '.join(known)}, but the structure holds {', '.join(found)}; "
            "train on frames that hold every element you want to predict"
        )


class ModelFileError(EquishareError):
    """A file is not a readable model file."""
