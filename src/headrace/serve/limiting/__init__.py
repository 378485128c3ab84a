"""How much anybody may ask: limits of one process, of several, and of a day."""
