"""Applications that the benchmark serves: each runs in the environment of its peer."""
