"""The root of the package's own exceptions."""


class EquishareError(ValueError):
    """Base class: something the caller gave cannot be used; the message says what, and what to do."""
