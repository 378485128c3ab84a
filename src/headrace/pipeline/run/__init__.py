"""Builds what a plan asks for, and checks it."""
