"""`python -m equishare.check`: the same as `equishare check`."""

from equishare.check.command.prompt import app

app(prog_name="equishare check")
