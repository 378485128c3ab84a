"""The cache of answers, and the one that several servers share."""
