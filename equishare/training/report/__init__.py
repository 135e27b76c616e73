"""What a run shows: lines on the terminal while it goes, tables, pictures and a page at its end."""
