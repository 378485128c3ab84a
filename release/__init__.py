"""What a release is made of: its wheel, and the list of all that it runs with."""
