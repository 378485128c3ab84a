"""Tests of headrace.base."""
