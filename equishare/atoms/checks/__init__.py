"""The single checks of an inspection, a question a file."""
