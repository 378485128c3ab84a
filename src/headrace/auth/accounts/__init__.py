"""Who there is: accounts, groups and API keys, in a file, and as serving sees them."""
