"""Tests of headrace.engines."""
