"""From labelled frames to a fitted potential: configuration, fit, evaluation, report."""
