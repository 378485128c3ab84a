"""Signing in: passwords, refresh tokens and other issuers in; sessions and access tokens out."""
