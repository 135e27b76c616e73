"""What is said of a campaign: lines while it runs, a page at its end."""
