"""What the API says of itself: its page and its OpenAPI."""
