"""Tests of headrace.pipeline."""
