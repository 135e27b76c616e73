"""What `accuracy.py` is made of: the sets, one run, the score, and the page."""
