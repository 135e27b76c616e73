"""Which weights are the same: sharing patterns and the solver that finds them."""
