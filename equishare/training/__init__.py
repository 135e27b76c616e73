"""From frames to a fitted potential: reading, checking, fitting, reporting."""
