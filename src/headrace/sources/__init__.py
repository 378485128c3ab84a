"""Shelf of readers: each takes raw files and a contract, gives rows and quarantine."""
