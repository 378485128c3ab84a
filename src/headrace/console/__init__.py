"""The console: pages for people, over what serving knows."""
