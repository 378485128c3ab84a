"""Tests of headrace.pipeline.plan."""
