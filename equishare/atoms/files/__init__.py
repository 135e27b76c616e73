"""Readers of files of frames, by format."""
