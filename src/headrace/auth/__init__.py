"""Who asks, and what they may: accounts, credentials, tokens, limits; no HTTP."""
