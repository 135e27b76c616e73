"""What can go wrong with a potential."""

from equishare.errors import EquishareError


class UnknownSpeciesError(EquishareError):
    """A structure holds an element that the potential was not trained on."""


class ModelFileError(EquishareError):
    """A file is not a readable model file."""
