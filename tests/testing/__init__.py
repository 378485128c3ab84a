"""Tests of headrace.testing."""
