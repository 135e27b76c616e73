"""Models and calculators of other projects, made ready for the checker: each generator yields rows."""
