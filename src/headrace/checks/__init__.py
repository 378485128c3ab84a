"""Shelf of checks: each is a query that returns the rows that are wrong."""
