"""The tests of headrace, in the shape of its source."""
