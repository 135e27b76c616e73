"""What can be wrong with what the checker is given."""

from equishare.errors import EquishareError


class CheckError(EquishareError):
    """A model, its inputs or its claim cannot be checked as they are; the message says what to do."""


class TargetError(CheckError):
    """What was typed names nothing that can be checked; the message says what to type."""
