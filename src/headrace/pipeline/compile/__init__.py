"""Turns a project into a graph of typed relations, checks and endpoints."""
