"""Running a fitted potential in other programs."""
