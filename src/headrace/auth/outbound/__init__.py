"""Requests of headrace itself: where they may go, and how they get there."""
