"""What a symmetry is: elements, how tensors transform under them, and the series that is drawn."""
