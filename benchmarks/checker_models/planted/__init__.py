"""Models and calculators to check: correct ones, and the same with one planted mistake."""
