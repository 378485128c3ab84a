"""The keyed access path: rows found by key in a copy."""
