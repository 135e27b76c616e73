"""Where a model loses a symmetry: its modules' calls, compared one by one."""
