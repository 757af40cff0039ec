"""Profiles from tables and other tools' files: nothing is run."""
