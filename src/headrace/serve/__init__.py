"""The HTTP side: reads published snapshots only."""
