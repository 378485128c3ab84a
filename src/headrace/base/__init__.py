"""Names, types, errors, clock, hashing and the nouns that everything else shares."""
