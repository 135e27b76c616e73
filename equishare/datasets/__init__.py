"""Small data sets that travel with the package."""
