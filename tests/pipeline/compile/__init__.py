"""Tests of headrace.pipeline.compile."""
