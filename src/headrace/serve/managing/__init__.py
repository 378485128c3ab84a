"""The management API: accounts, keys and what is published, at /manage."""
