"""The base of every error that equishare raises on purpose."""


class EquishareError(ValueError):
    """Input that cannot be used; the message says what was expected, what came, and what to do.

    Everything derived from it is the user's to mend and is shown without a traceback on the command line.
    """
