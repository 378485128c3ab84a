"""Reads and validates the user's files."""
