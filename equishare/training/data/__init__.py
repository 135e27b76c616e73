"""Training data: read, divided, turned into graphs and batches."""
