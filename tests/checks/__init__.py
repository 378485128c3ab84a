"""Tests of headrace.checks."""
