"""People who sign in: passwords, and the sessions of browsers."""
