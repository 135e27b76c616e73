"""Verdicts and reports: for people, programs, browsers and continuous integration."""
