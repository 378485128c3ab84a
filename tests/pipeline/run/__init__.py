"""Tests of headrace.pipeline.run."""
