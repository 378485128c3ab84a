"""The demo project: a small coffee chain, its files and its generated raw data."""
