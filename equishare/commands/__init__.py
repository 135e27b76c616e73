"""The commands of the prompt, one a file; heavy imports wait until a command runs."""
