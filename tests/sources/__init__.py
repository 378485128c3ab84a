"""Tests of headrace.sources."""
