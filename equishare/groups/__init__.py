"""Who acts: groups and their representations."""
