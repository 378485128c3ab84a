"""Signed tokens: those of other issuers, whose keys are found and renewed, and headrace's own."""
