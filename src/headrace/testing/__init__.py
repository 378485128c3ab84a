"""Runs a project's own unit tests, in memory: given rows in, expected rows or answers out."""
