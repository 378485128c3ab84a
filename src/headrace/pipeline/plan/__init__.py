"""Says what must be built, and why."""
