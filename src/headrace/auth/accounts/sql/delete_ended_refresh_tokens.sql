-- Deletes the refresh tokens that have expired.
DELETE FROM refresh_tokens WHERE expires_at <= :now
