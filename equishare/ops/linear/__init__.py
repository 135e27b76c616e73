"""Linear maps, one matrix a degree."""
