"""`python -m equishare.check`: the same as `equishare check`."""

from equishare.check.command import app

app(prog_name="equishare check")
