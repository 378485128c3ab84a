"""Shelf of engines: where SQL runs."""
