"""Snapshots that are open to be served, and the code that comes with them."""
