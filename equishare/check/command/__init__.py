"""`equishare check`: the checks at the prompt."""

from equishare.check.command.prompt import app

__all__ = ["app"]
