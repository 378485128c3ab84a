"""Tests of headrace.cli."""
