"""The console: pages for people, over what serving knows; it needs no network but its own."""

from headrace.console.face import Console

__all__ = ["Console"]
