"""The root of the package's own exceptions."""


class EquishareError(ValueError):
    """Base class: something the caller gave cannot be used; the message says what, and what to do."""


class LayerError(EquishareError):
    """An argument or an input does not fit a layer, or the operation that it runs."""
